#include "sim/swarm/junk.hh"

#include "sim/guest_wire.hh"

namespace dashi {

namespace {

IpAddress draw_destination(Prng& prng, const WorldConfig& config, bool v4) {
  static constexpr Ipv4Address kV4[] = {
      {{203, 0, 113, 10}}, {{203, 0, 113, 50}}, {{198, 18, 0, 1}},      {{10, 0, 0, 77}},
      {{127, 0, 0, 1}},    {{224, 0, 0, 251}},  {{255, 255, 255, 255}}, {{169, 254, 169, 254}}};
  const Topology& topology = config.nat.topology;
  if (prng.below(4) == 0) {
    return v4 ? IpAddress(topology.gateway_v4) : IpAddress(topology.gateway_v6());
  }
  if (v4) return kV4[prng.below(std::size(kV4))];
  Ipv6Address address{{0x20, 0x01, 0x0d, 0xb8, 0, 1}};
  address.bytes[15] = 10;
  constexpr uint8_t kFirst[] = {0x20, 0x20, 0x20, 0xff, 0xfe, 0x00, 0xfd};
  address.bytes[0] = kFirst[prng.below(std::size(kFirst))];
  return address;
}

// IPv6's header has no checksum: of a packet whose payload has none either, a damaged source address is
// answered.
bool damages(const LinkFaults& faults) {
  return !faults.corrupt_bit.is_never() || !faults.corrupt_header.is_never();
}

}  // namespace

std::vector<uint8_t> junk_frame(const WorldConfig& config, uint64_t number) {
  Prng prng(config.seed, "swarm-junk", number);
  const Topology& topology = config.nat.topology;
  const bool v4 = prng.below(2) == 0;
  guest::IpOut header;
  header.source = v4 ? IpAddress(topology.guest_v4)
                     : IpAddress(eui64_address(topology.prefix_v6.address, config.guest.mac));
  header.destination = draw_destination(prng, config, v4);
  header.ttl = static_cast<uint8_t>(prng.between(1, 64));
  const Port from{static_cast<uint16_t>(prng.between(7000, 7003))};
  const Port to{static_cast<uint16_t>(prng.below(3) == 0 ? prng.below(1000) : 7)};
  std::vector<uint8_t> payload(static_cast<size_t>(prng.below(200)));
  for (uint8_t& byte : payload) byte = static_cast<uint8_t>(prng.next_u64());
  const MacAddress& gateway = topology.gateway_mac;
  const MacAddress& guest = config.guest.mac;
  std::vector<uint8_t> frame;
  uint64_t what = prng.below(5);
  if (what == 4 && !v4 && damages(config.link.up.faults)) what = 2;
  switch (what) {
    case 0:
    case 1: {
      guest::TcpOut out;
      out.source_port = from;
      out.destination_port = to;
      out.sequence = static_cast<uint32_t>(prng.next_u64());
      out.acknowledgment = static_cast<uint32_t>(prng.next_u64());
      out.flags = static_cast<uint8_t>(prng.below(64));
      out.window = static_cast<uint16_t>(prng.next_u64());
      frame = guest::tcp(gateway, guest, header, out, payload);
      break;
    }
    case 2:
      frame = guest::udp(gateway, guest, header, from, to, payload);
      break;
    case 3:
      frame = guest::echo(gateway, guest, header, prng.below(2) == 0, 7, 7, payload);
      break;
    default:
      header.protocol = static_cast<uint8_t>(prng.below(256));
      frame = guest::ip(gateway, guest, header, payload, ~size_t{0});
      break;
  }
  for (uint64_t changes = prng.below(4); changes > 1; --changes) {
    const auto at = static_cast<size_t>(prng.below(std::min<size_t>(frame.size(), 74)));
    const auto value = static_cast<uint8_t>(prng.next_u64());
    // Answers to a guest that has another address would be frames to somebody else.
    const bool source = v4 ? at >= 26 && at < 30 : at >= 22 && at < 38;
    if (!source) frame[at] = value;
  }
  if (prng.below(6) == 0) frame.resize(static_cast<size_t>(prng.between(1, frame.size())));
  return frame;
}

}  // namespace dashi
