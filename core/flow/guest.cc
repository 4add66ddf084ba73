#include "core/flow/guest.hh"

namespace dashi {

Result<Done, DropReason> Guest::check_mac(const MacAddress& source) {
  if (source.is_multicast() || source.is_zero() || source == topology_.gateway_mac) {
    return DropReason::kSourceMacInvalid;
  }
  if (!mac_.has_value()) mac_ = source;
  if (*mac_ != source) return DropReason::kSourceMacSpoofed;
  return Done{};
}

Result<Done, DropReason> Guest::check_source(Instant now, const IpAddress& source) {
  if (topology_.is_gateway(source)) return DropReason::kSourceAddressInvalid;
  if (source.is_v4()) {
    const Ipv4Prefix& subnet = topology_.subnet;
    const bool host = subnet.contains(source.v4()) && source.v4() != subnet.network() &&
                      source.v4() != subnet.broadcast();
    if (!host) return DropReason::kSourceAddressInvalid;
    return Done{};
  }
  return check_v6(now, source.v6());
}

Result<Done, DropReason> Guest::check_v6(Instant now, const Ipv6Address& source) {
  if (source.is_multicast() || source.is_unspecified() ||
      !(source.is_link_local() || topology_.prefix_v6.contains(source))) {
    return DropReason::kSourceAddressInvalid;
  }
  if (count_ != 0 && v6_[last_hit_].address == source) {  // nearly every frame
    v6_[last_hit_].last_seen = now;
    return Done{};
  }
  uint32_t oldest = 0;
  for (uint32_t i = 0; i < count_; ++i) {
    if (v6_[i].address == source) {
      v6_[i].last_seen = now;
      last_hit_ = i;
      return Done{};
    }
    if (v6_[i].last_seen < v6_[oldest].last_seen) oldest = i;
  }
  const bool room = count_ < v6_limit_ && count_ < v6_.size();
  if (!room && (count_ == 0 || now - v6_[oldest].last_seen < kAddressIdle)) {
    return DropReason::kTooManyGuestAddresses;
  }
  last_hit_ = room ? count_++ : oldest;
  v6_[last_hit_] = {source, now};
  return Done{};
}

std::optional<Ipv6Address> Guest::forward_target_v6() const {
  std::optional<uint32_t> best;
  for (uint32_t i = 0; i < count_; ++i) {
    if (!topology_.prefix_v6.contains(v6_[i].address)) continue;
    if (!best || v6_[i].last_seen > v6_[*best].last_seen) best = i;
  }
  if (!best) return std::nullopt;
  return v6_[*best].address;
}

void Guest::restart() {
  mac_ = topology_.guest_mac;
  count_ = 0;
  last_hit_ = 0;
}

}  // namespace dashi
