// Neighbor Discovery (RFC 4861) as the guest's only router: advertisements of the router, and of the
// addresses that lead to it. It resolves nobody itself: the guest's MAC address is Guest's to know.
//
// Router advertisements: at the start and after a change three of them at most 16 s apart, then at
// random intervals up to GatewayConfig::ra_interval (6.2.4). A solicitation is answered at once: by
// unicast if it has a source (6.2.6 allows it, RFC 7772 asks for it), else by multicast, which is never
// sent more often than every 3 s; then the next one is brought forward. The random delay before answers
// serves links with several routers and is left out. While the host has no IPv6 route the router
// lifetime is 0: addresses, the on-link prefix and DNS stay, the default route goes.
//
// Neighbor solicitations:
// - The gateway's addresses are answered, duplicate address detection as well (RFC 4862 5.4.3): that is
//   their defence. An advertisement that claims one is contradicted.
// - Any other address of the prefix, when the guest wants to talk to it: answered (without Override),
//   so that what it sends is refused at once with ICMPv6 address unreachable. Never for duplicate
//   address detection, nor for an address the guest itself was seen to use.
// - Other link-local addresses: not answered; no packet to one could be refused better than by the
//   guest's own failed resolution.
#pragma once

#include <optional>
#include <vector>

#include "core/base/archive.hh"
#include "core/flow/context.hh"
#include "core/flow/rate_limiter.hh"
#include "core/gateway/gateway_config.hh"
#include "core/wire/ndp.hh"
#include "core/wire/packet.hh"

namespace dashi {

class NdpResponder {
 public:
  NdpResponder(const GatewayConfig& config, FlowContext& context);

  // Router and neighbor solicitations and advertisements, and redirects: ICMPv6 types 133 to 137,
  // whatever their source, which may be unspecified.
  static bool wants(const Packet& packet, const Topology& topology);
  void handle_packet(Instant now, const Packet& packet);
  void handle_timers(Instant now);
  Instant next_deadline() const;

  // Whether the host has a default IPv6 route; the guest is told soon.
  void set_host_ipv6(Instant now, bool has_default_route);
  // Another guest may come: advertise as at the start.
  void restart_link(Instant now);

  void save(ArchiveWriter& ar) const;
  bool restore(ArchiveReader& ar);

 private:
  // RFC 4861 10: MAX_INITIAL_RTR_ADVERT_INTERVAL, MAX_INITIAL_RTR_ADVERTISEMENTS and
  // MIN_DELAY_BETWEEN_RAS.
  static constexpr Duration kInitialIntervalMax = 16s;
  static constexpr uint32_t kInitialAdvertisements = 3;
  static constexpr Duration kMulticastDelayMin = 3s;
  static constexpr Duration kDefendInterval = 10s;  // as RFC 5227 1.1 has it for ARP

  struct State {
    bool host_ipv6 = false;
    uint32_t initial_left = kInitialAdvertisements;
    Instant next_multicast{};               // of a router advertisement; due from the start
    std::optional<Instant> last_multicast;  // of a router advertisement
    std::optional<Instant> defended_at;
    RateLimiter solicited{10, 10};  // answers by unicast
  };
  template <typename Archive>
  friend void archive(Archive& ar, State& s) {
    ar(s.host_ipv6, s.initial_left, s.next_multicast, s.last_multicast, s.defended_at, s.solicited);
  }

  void build_options(const GatewayConfig& config);
  void handle_router_solicitation(Instant now, const Packet& packet);
  void handle_solicitation(Instant now, const Packet& packet, const NdpMessage& message);
  void handle_advertisement(Instant now, const Packet& packet, const NdpMessage& message);
  bool send_multicast(Instant now);
  void bring_forward(Instant now);
  Duration interval();
  bool send_router_advertisement(const Ipv6Address& to, std::optional<MacAddress> mac);
  bool send_advertisement(const Ipv6Address& target, const Ipv6Address& to,
                          std::optional<MacAddress> mac, uint8_t flags);

  const GatewayConfig& config_;
  FlowContext& context_;
  std::vector<uint8_t> options_;  // of the router advertisement; never changes
  State state_;
};

}  // namespace dashi
