// Packets longer than the guest's MTU through a whole world, both ways.
#include "sim/pattern.hh"
#include "tests/sim/world_support.hh"

namespace dashi {
namespace {

const MacAddress kGuestMac{{0x02, 0, 0, 0, 0, 0x02}};
constexpr size_t kEthernet = 14;

void put16(std::vector<uint8_t>& in, size_t at, size_t value) {
  in[at] = static_cast<uint8_t>(value >> 8);
  in[at + 1] = static_cast<uint8_t>(value);
}
size_t get16(const std::vector<uint8_t>& in, size_t at) { return size_t{in[at]} << 8 | in[at + 1]; }

// The frame as a guest's kernel sends it over a link of 1500.
std::vector<std::vector<uint8_t>> cut(const std::vector<uint8_t>& frame) {
  const bool four = frame[12] == 8;
  const size_t head = kEthernet + (four ? 20 : 40);
  const size_t each = 1448;
  std::vector<std::vector<uint8_t>> out;
  for (size_t at = head; at < frame.size(); at += each) {
    const size_t n = std::min(each, frame.size() - at);
    const size_t more = at + n < frame.size() ? 1 : 0;
    std::vector<uint8_t> f(frame.begin(), frame.begin() + static_cast<ptrdiff_t>(head));
    if (four) {
      put16(f, 16, 20 + n);
      put16(f, 18, 99);
      put16(f, 20, more << 13 | (at - head) / 8);
      put16(f, 24, 0);
      put16(f, 24, guest::finish_sum(guest::sum_words(Bytes(f).subspan(kEthernet), 0)));
    } else {
      put16(f, 18, 8 + n);
      f.insert(f.end(), {f[20], 0, 0, 0, 0, 0, 0, 99});
      f[20] = 44;
      put16(f, 56, (at - head) | more);
    }
    f.insert(f.end(), frame.begin() + static_cast<ptrdiff_t>(at),
             frame.begin() + static_cast<ptrdiff_t>(at + n));
    out.push_back(f);
  }
  return out;
}

// The one packet whose fragments the guest heard; what was heard whole is left out.
std::vector<uint8_t> joined(World& world, bool four) {
  std::vector<uint8_t> out;
  for (const HeardFrame& heard : world.script().heard()) {
    const std::vector<uint8_t>& f = heard.bytes;
    if (four ? f[12] != 8 || f[13] != 0 || (get16(f, 20) & 0x3fff) == 0
             : f[12] != 0x86 || f[20] != 44) {
      continue;
    }
    const size_t head = kEthernet + (four ? 20 : 40);
    if (out.empty()) out.assign(f.begin(), f.begin() + static_cast<ptrdiff_t>(head));
    const size_t offset = four ? (get16(f, 20) & 0x1fff) * 8 : get16(f, 56) & 0xfff8;
    BOOST_TEST(out.size() - head == offset);
    if (!four) out[20] = f[54];
    out.insert(out.end(), f.begin() + static_cast<ptrdiff_t>(head + (four ? 0 : 8)), f.end());
  }
  BOOST_REQUIRE(!out.empty());
  if (!four) put16(out, 18, out.size() - kEthernet - 40);
  if (!four) return out;
  put16(out, 16, out.size() - kEthernet);
  put16(out, 20, 0);
  put16(out, 24, 0);
  put16(out, 24, guest::finish_sum(guest::sum_words(Bytes(out).subspan(kEthernet, 20), 0)));
  return out;
}

struct Fixture {
  WorldConfig config;
  guest::IpOut header;
  std::vector<uint8_t> payload;

  void prepare(const World& world, Family family, size_t bytes) {
    const Topology& topology = config.nat.topology;
    header.source = topology.guest_v4;
    if (family == Family::kIpv6) header.source = parse_ip("fd00:da51::77").value();
    header.destination = world.address("server", family);
    payload.resize(bytes);
    fill_pattern(7, 0, payload);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(world_fragments, Fixture)

BOOST_AUTO_TEST_CASE(a_long_datagram_and_a_long_ping_come_back_byte_for_byte) {
  config.scripted = true;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    for (const bool ping : {false, true}) {
      for (const size_t bytes : {size_t{1480}, size_t{3000}, size_t{8000}, size_t{60'000}}) {
        World world(config);
        prepare(world, family, bytes);
        const MacAddress& gateway = config.nat.topology.gateway_mac;
        const auto sent =
            ping ? guest::echo(gateway, kGuestMac, header, false, 5, 1, payload)
                 : guest::udp(gateway, kGuestMac, header, Port{4000}, Port{7}, payload);
        for (const auto& fragment : cut(sent)) world.script().send(fragment, {});
        world.run_for(1s);
        const auto whole = joined(world, family == Family::kIpv4);
        guest::Parsed parsed;
        // Checksums and all.
        BOOST_REQUIRE(!guest::parse_frame({whole, {}}, parsed).has_value());
        BOOST_TEST((parsed.source == header.destination));
        const Bytes came = ping ? parsed.transport.subspan(8) : parsed.payload;
        BOOST_TEST((std::vector<uint8_t>(came.begin(), came.end()) == payload));
        BOOST_TEST(world.nat().counters()[Counter::kGuestFragmentsOut] > 1u);
        expect_clean(world);
        expect_no_leaks(world);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_link_without_room_for_all_fragments_carries_none_of_them) {
  config.scripted = true;
  config.link.room_frames = 3;
  World world(config);
  prepare(world, Family::kIpv4, 8000);
  for (const auto& fragment : cut(guest::udp(config.nat.topology.gateway_mac, kGuestMac, header,
                                             Port{4000}, Port{7}, payload))) {
    world.script().send(fragment, {});
  }
  world.run_for(1s);
  BOOST_TEST(world.nat().counters()[DropReason::kGuestLinkFull] == 1u);
  BOOST_TEST(world.nat().counters()[Counter::kGuestFragmentsOut] == 0u);
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
