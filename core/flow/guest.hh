// Who the guest is, as far as its frames have told: its MAC address and the IPv6 addresses it uses.
// The first line against spoofing: a frame from anyone else ends here as a DropReason.
#pragma once

#include <array>
#include <optional>

#include "core/base/archive.hh"
#include "core/base/result.hh"
#include "core/base/time.hh"
#include "core/flow/topology.hh"
#include "core/wire/drop_reason.hh"

namespace dashi {

class Guest {
 public:
  Guest(const Topology& topology, uint32_t v6_limit) : topology_(topology), v6_limit_(v6_limit) {
    mac_ = topology.guest_mac;
  }

  // The MAC to send to; broadcast while none is known.
  MacAddress mac() const { return mac_.value_or(MacAddress::broadcast()); }
  bool known() const { return mac_.has_value(); }

  // The configured MAC, else the first unicast source since link start.
  Result<Done, DropReason> check_mac(const MacAddress& source);
  // A host of the subnet but the gateway; link-local or in the prefix, at most v6_limit at once
  // (one unused for kAddressIdle gives way).
  Result<Done, DropReason> check_source(Instant now, const IpAddress& source);
  // Whether the guest was seen to send from this address.
  bool uses(const Ipv6Address& address) const {
    for (uint32_t i = 0; i < count_; ++i) {
      if (v6_[i].address == address) return true;
    }
    return false;
  }
  // Where a forwarded IPv6 port leads by default: the address of the prefix last used.
  std::optional<Ipv6Address> forward_target_v6() const;
  // Link restart: a learned MAC and learned addresses are forgotten.
  void restart();

  template <typename Archive>
  friend void archive(Archive& ar, Guest& g) {
    ar(g.mac_, g.count_, g.last_hit_);
    if (g.count_ > g.v6_.size() || g.last_hit_ >= g.v6_.size()) g.restart();
    for (uint32_t i = 0; i < g.count_; ++i) ar(g.v6_[i].address, g.v6_[i].last_seen);
  }

 private:
  static constexpr Duration kAddressIdle = 5min;
  struct Learned {
    Ipv6Address address;
    Instant last_seen;
  };

  Result<Done, DropReason> check_v6(Instant now, const Ipv6Address& source);

  const Topology& topology_;
  uint32_t v6_limit_;
  std::optional<MacAddress> mac_;
  std::array<Learned, 64> v6_{};  // the first count_ are set
  uint32_t count_ = 0;
  uint32_t last_hit_ = 0;  // index in v6_ of the address seen last
};

}  // namespace dashi
