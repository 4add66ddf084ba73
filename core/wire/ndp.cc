#include "core/wire/ndp.hh"

#include <algorithm>

namespace dashi {
namespace {

bool is_solicited_node(const Ipv6Address& a) {  // ff02::1:ff00:0/104 (RFC 4291 2.7.1)
  constexpr std::array<uint8_t, 13> kPrefix{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  return std::equal(kPrefix.begin(), kPrefix.end(), a.bytes.begin());
}

// The link-layer address of the wanted kind; false if the options are malformed.
bool read_options(Bytes bytes, NdpOptionType wanted, std::optional<MacAddress>& link_layer) {
  NdpOptions options(bytes);
  while (const std::optional<NdpOption> option = options.next()) {
    if (option->type != wanted || option->bytes.size() != sizeof(LinkLayerOption)) continue;
    link_layer = load<LinkLayerOption>(option->bytes).address;
  }
  return !options.malformed();
}

}  // namespace

std::optional<NdpOption> NdpOptions::next() {
  if (rest_.empty()) return std::nullopt;
  const size_t size = rest_.size() < 2 ? 0 : rest_[1] * kNdpOptionUnit;
  if (size == 0 || size > rest_.size()) {
    malformed_ = true;
    rest_ = {};
    return std::nullopt;
  }
  const NdpOption option{static_cast<NdpOptionType>(rest_[0]), rest_.first(size)};
  rest_ = rest_.subspan(size);
  return option;
}

std::optional<NdpMessage> parse_ndp(const IpHeader& ip, Bytes message) {
  if (message.size() < sizeof(RouterSolicitation)) return std::nullopt;
  if (ip.ttl != kNdpHopLimit || message[1] != 0) return std::nullopt;  // routed, or not of our day
  NdpMessage result;
  result.type = message[0];
  const bool unspecified = ip.source.is_unspecified();
  switch (result.type) {
    case kIcmpv6RouterSolicitation: {
      const Bytes options = message.subspan(sizeof(RouterSolicitation));
      if (!read_options(options, NdpOptionType::kSourceLinkLayer, result.link_layer)) break;
      if (unspecified && result.link_layer.has_value()) break;
      return result;
    }
    case kIcmpv6NeighborSolicitation: {
      if (message.size() < sizeof(NeighborSolicitation)) break;
      result.target = load<NeighborSolicitation>(message).target;
      if (result.target.is_multicast()) break;
      const Bytes options = message.subspan(sizeof(NeighborSolicitation));
      if (!read_options(options, NdpOptionType::kSourceLinkLayer, result.link_layer)) break;
      if (unspecified && result.link_layer.has_value()) break;
      if (unspecified && !is_solicited_node(ip.destination.v6())) break;
      return result;
    }
    case kIcmpv6NeighborAdvertisement: {
      if (message.size() < sizeof(NeighborAdvertisement)) break;
      const auto header = load<NeighborAdvertisement>(message);
      result.target = header.target;
      result.flags = header.flags;
      if (result.target.is_multicast()) break;
      if (ip.destination.is_multicast() && (result.flags & kNaSolicited) != 0) break;
      const Bytes options = message.subspan(sizeof(NeighborAdvertisement));
      if (!read_options(options, NdpOptionType::kTargetLinkLayer, result.link_layer)) break;
      return result;
    }
    default:
      break;
  }
  return std::nullopt;
}

}  // namespace dashi
