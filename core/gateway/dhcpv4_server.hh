// The gateway's DHCP server (RFC 2131): one address, Topology::guest_v4, for the one guest of the link.
// It keeps no leases and so has no state: whoever may speak on the link may have the address, now and
// again later.
//
// - Discover: offered. Request (selecting, init-reboot, renewing, rebinding): acknowledged if it is for
//   that address, else refused, since nobody else on the link could know better. Inform: told the rest.
// - Release and Decline are counted. A declined address is offered again: forwards lead to it, there is
//   no other, and the gateway, which alone could have answered the guest's probe, never does.
// - Requests through a relay or for another server are not for us. A source address is not checked: a
//   guest that comes back from another network still has its old one, and needs the refusal.
//
// Every reply has what a client cannot do without, in the order of its parameter list as far as it
// fits into the size it accepts (57); the client identifier is echoed whole (RFC 6842).
#pragma once

#include <array>
#include <vector>

#include "core/flow/context.hh"
#include "core/gateway/gateway_config.hh"
#include "core/wire/dhcpv4.hh"
#include "core/wire/packet.hh"

namespace dashi {

class Dhcpv4Server {
 public:
  Dhcpv4Server(const GatewayConfig& config, FlowContext& context);

  // UDP to port 67 of the gateway or of everyone on the link, whatever its source.
  static bool wants(const Packet& packet, const Topology& topology);
  void handle_packet(Instant now, const Packet& packet);

 private:
  // What a reply has is decided by these, least important last.
  enum class Part : uint8_t { kLease, kNetwork };
  struct Entry {
    Dhcpv4OptionCode code{};
    Part part{};
    std::vector<uint8_t> data;
  };
  struct Reply {
    Dhcpv4Type type{};
    Ipv4Address your;         // yiaddr
    Ipv4Address client;       // ciaddr
    Ipv4Address destination;  // who it is sent to, unless all
    bool broadcast = false;
    bool lease = false;    // has Part::kLease
    bool network = false;  // has Part::kNetwork
  };

  void build_entries(const GatewayConfig& config);
  void add_entry(Dhcpv4OptionCode code, Part part, Bytes data);
  void handle_discover(const Packet& packet, const Dhcpv4Request& request);
  void handle_request(const Packet& packet, const Dhcpv4Request& request);
  void handle_inform(Instant now, const Packet& packet, const Dhcpv4Request& request);
  void handle_goodbye(const Packet& packet, const Dhcpv4Request& request);
  void send(const Packet& packet, const Dhcpv4Request& request, const Reply& reply);
  void select(const Dhcpv4Request& request, const Reply& reply, size_t room);
  void write_options(Dhcpv4OptionWriter& writer, const Dhcpv4Request& request, const Reply& reply);
  void write_entry(Dhcpv4OptionWriter& writer, size_t index);
  void write_code(Dhcpv4OptionWriter& writer, Dhcpv4OptionCode code);

  static constexpr size_t kEntriesMax = 16;
  static constexpr size_t kReplyMax = 1472;  // bytes of UDP payload, whatever the client accepts

  FlowContext& context_;
  std::vector<Entry> entries_;  // most important first; never changes
  // Of the reply being written: bytes of each entry that are still to be written, 0 if none.
  std::array<size_t, kEntriesMax> pending_{};
  std::array<uint8_t, kReplyMax> buffer_{};
};

}  // namespace dashi
