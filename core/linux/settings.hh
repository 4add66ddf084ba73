// What the command line asked for, checked as far as can be without looking at the host. Plain data;
// cli.cc fills it, the verbs read it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/flow/address_policy.hh"
#include "core/linux/stream_address.hh"
#include "core/nat/config.hh"

namespace dashi {

enum class Verb : uint8_t { kRun, kAttach, kQemu };

// One -p. HOSTPORT-END means that many forwards, to as many guest ports.
struct ForwardSpec {
  ForwardProtocol protocol{};
  std::optional<IpAddress> address;  // absent: 127.0.0.1 and ::1
  Port first;
  Port last;  // first, if it is one port
  Port guest_port;
};

struct Settings {
  Verb verb{};
  std::vector<std::string> command;  // run
  std::string netns;                 // attach: path of the namespace
  StreamAddress listen;              // qemu

  bool configure = false;
  std::string interface = "dashi0";
  std::optional<uint32_t> mtu;
  std::optional<Ipv4Prefix> net;  // absent: the default, or the first alternative that is free
  std::optional<Ipv6Prefix> net6;
  bool ipv6 = true;
  std::vector<Endpoint> resolvers;  // empty: the host's
  std::string hostname;             // empty: none is given
  std::vector<ForwardSpec> forwards;
  AddressPolicyConfig policy;
  UdpFilter udp_filter = UdpFilter::kAddressDependent;
  std::string pcap;  // empty: none
  int ready_fd = -1;
  bool verbose = false;
};

// tcp:|udp: [ADDR:]HOSTPORT[-END]:GUESTPORT, IPv6 in brackets. Empty with `error` set to a line for
// people if it is not.
std::optional<ForwardSpec> parse_forward(std::string_view text, std::string& error);
// 80 or 8000-8010, several by commas.
std::optional<std::vector<PortRange>> parse_ports(std::string_view text);
// Bytes: 1500 or 9KiB.
std::optional<uint32_t> parse_size(std::string_view text);

}  // namespace dashi
