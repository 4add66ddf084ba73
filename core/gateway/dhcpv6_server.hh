// The gateway's DHCPv6 server (RFC 8415): stateless. Addresses come from router advertisements (M=0);
// what a guest learns here is what else they announce (O=1): DNS servers and the search list.
//
// - Information-request: answered (18.3.6).
// - Solicit and Request: every IA comes back with NoAddrsAvail or NoPrefixAvail, the rest is told
//   (18.3.9, 18.3.2). Renew, Release and Decline: NoBinding, as none is ever made (18.3.4, 18.3.7, 18.3.8).
// - Confirm: whether all its addresses are of the link's prefix (18.3.3). Rebind: nothing, since nobody
//   here has a binding to speak of (18.3.5).
// - What must not come by unicast is dropped (16), what may is told to use multicast (18.4).
//
// A reply never exceeds the MTU: identifiers are bounded by the format (11.1), IAs and names that do not
// fit are left out. It has no state.
#pragma once

#include <array>
#include <vector>

#include "core/flow/context.hh"
#include "core/gateway/gateway_config.hh"
#include "core/wire/dhcpv6.hh"
#include "core/wire/packet.hh"

namespace dashi {

class Dhcpv6Server {
 public:
  Dhcpv6Server(const GatewayConfig& config, FlowContext& context);

  // UDP to port 547 of the gateway or of all servers on the link.
  static bool wants(const Packet& packet, const Topology& topology);
  void handle_packet(Instant now, const Packet& packet);

 private:
  // How a message of a client is answered.
  struct Answer {
    Dhcpv6Type type{};
    bool configuration = false;  // DNS servers and search list
    bool refresh_time = false;   // RFC 8415 21.23: in answers to Information-request only
    bool ias = false;            // echo the IAs, each with its status
    Dhcpv6Status address_status{};
    Dhcpv6Status prefix_status{};
    std::optional<Dhcpv6Status> status;  // of the whole message
  };

  std::optional<Answer> answer_to(const Dhcpv6Message& message) const;
  std::optional<Answer> answer_to_confirm(const Dhcpv6Message& message) const;
  bool is_valid(const Dhcpv6Message& message) const;
  void send(const Packet& packet, const Dhcpv6Message& message, const Answer& answer);
  void write_ias(Dhcpv6OptionWriter& writer, const Dhcpv6Message& message, const Answer& answer);

  static constexpr size_t kReplyMax = 1232;  // bytes of UDP payload: fits the least MTU, 1280
  static constexpr size_t kDuidBytes = 10;

  FlowContext& context_;
  std::array<uint8_t, kDuidBytes> duid_{};  // DUID-LL (RFC 8415 11.4)
  std::vector<uint8_t> dns_;
  std::vector<uint8_t> search_;
  std::array<uint8_t, kReplyMax> buffer_{};
};

}  // namespace dashi
