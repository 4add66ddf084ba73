// Fragmented packets of the guest, through the whole Nat.
#include "core/nat/fragments.hh"

#include "tests/core/nat/nat_bench.hh"

namespace dashi::test {
namespace {

// The frame cut into fragments of `each` bytes of payload, a multiple of eight.
std::vector<ByteVector> cut(const ByteVector& frame, size_t each, uint16_t id) {
  const bool four = frame[12] == 8;
  const size_t head = four ? 34 : 54;
  std::vector<ByteVector> out;
  for (size_t at = head; at < frame.size(); at += each) {
    const size_t n = std::min(each, frame.size() - at);
    const bool more = at + n < frame.size();
    ByteVector f(frame.begin(), frame.begin() + static_cast<ptrdiff_t>(head));
    if (four) {
      put_u16(f, 16, 20 + n);
      put_u16(f, 18, id);
      put_u16(f, 20, (at - head) / 8 | (more ? 0x2000u : 0u));
      put_u16(f, 24, 0);
      put_u16(f, 24, naive_checksum(Bytes(f).subspan(14, 20)));
    } else {
      put_u16(f, 18, 8 + n);
      append(f, ByteVector{f[20], 0});
      f[20] = 44;
      append_u16(f, (at - head) | (more ? 1u : 0u));
      append_u32(f, id);
    }
    f.insert(f.end(), frame.begin() + static_cast<ptrdiff_t>(at),
             frame.begin() + static_cast<ptrdiff_t>(at + n));
    out.push_back(f);
  }
  return out;
}

struct Fixture : NatBench {
  using NatBench::NatBench;
  IpSpec four = v4("10.0.0.2", "198.51.100.7");
  IpSpec six = v6("fd00:da51::2", "2001:db8::7");

  std::vector<ByteVector> datagram(const IpSpec& ip, size_t bytes, uint16_t id) {
    return cut(udp_frame(ip, 4000, 7, pattern(bytes)), 1400, id);
  }
  const SentDatagram& newest() { return sockets.datagrams.back().sent.back(); }
  void pass(Duration by) {
    now += by;
    nat->handle_timers(now);
    nat->flush(now);
    for (auto& f : link.frames) {
      if (f.packet().ip_header.protocol == IpProtocol::kIcmpv6 && f.packet().transport[0] == 134) {
        f.bytes.clear();  // a router advertisement
      }
    }
    std::erase_if(link.frames, [](const SentFrame& f) { return f.bytes.empty(); });
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(nat_fragments, Fixture)

BOOST_AUTO_TEST_CASE(a_datagram_in_fragments_leaves_whole_in_whatever_order_they_came) {
  for (const IpSpec& ip : {four, six}) {
    for (const std::vector<size_t>& order :
         {std::vector<size_t>{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}}) {
      const auto fragments = datagram(ip, 5000, 77);
      BOOST_REQUIRE(fragments.size() == 4u);
      for (const size_t i : order) BOOST_TEST(feed(fragments[i]) == 0u);
      BOOST_TEST(newest().payload == pattern(5000), boost::test_tools::per_element());
      BOOST_TEST(!newest().dont_fragment);
      sockets.datagrams.back().sent.clear();
    }
  }
  BOOST_TEST(drops() == 0u);
}

BOOST_AUTO_TEST_CASE(packets_of_one_batch_do_not_meet) {
  std::vector<ByteVector> frames;
  for (uint16_t id = 1; id <= 5; ++id) {
    for (const ByteVector& f : datagram(four, size_t{2000} + id, id)) frames.push_back(f);
  }
  std::vector<GuestFrame> views;
  for (const ByteVector& f : frames) views.push_back({f, {}});
  nat->handle_frames(now, views);
  const auto& sent = sockets.datagrams.back().sent;
  BOOST_REQUIRE(sent.size() == 5u);
  for (size_t i = 0; i < 5; ++i) BOOST_TEST((sent[i].payload == pattern(2001 + i)));
}

BOOST_AUTO_TEST_CASE(fragments_of_other_packets_are_no_part_of_it) {
  const auto one = datagram(four, 2000, 1);
  const auto other = datagram(v4("10.0.0.3", "198.51.100.7"), 2000, 1);
  const auto elsewhere = datagram(v4("10.0.0.2", "198.51.100.8"), 2000, 1);
  const auto later = datagram(four, 2000, 2);
  feed(one[0]);
  for (const auto* f : {&other, &elsewhere, &later}) feed((*f)[1]);
  BOOST_TEST(sockets.datagrams.size() == 1u);  // the bench's own
  feed(one[1]);
  BOOST_TEST((newest().payload == pattern(2000)));
}

BOOST_AUTO_TEST_CASE(the_same_fragment_twice_is_ignored_and_an_overlap_ends_the_packet) {
  const auto good = datagram(four, 3000, 1);
  BOOST_TEST(feed(good[0]) == 0u);
  BOOST_TEST(feed(good[0]) == 1u);
  feed(good[1]);
  feed(good[2]);
  BOOST_TEST((newest().payload == pattern(3000)));
  const size_t sent = sockets.datagrams.back().sent.size();
  const auto wide = cut(udp_frame(four, 4000, 7, pattern(3000)), 1408, 2);
  const auto narrow = datagram(four, 3000, 2);
  feed(narrow[0]);
  BOOST_TEST(feed(narrow[1]) == 0u);
  BOOST_TEST(feed(wide[1]) == 3u);  // both that were there, and itself
  feed(narrow[2]);
  BOOST_TEST(sockets.datagrams.back().sent.size() == sent);
}

BOOST_AUTO_TEST_CASE(what_no_packet_has_is_dropped_at_once) {
  auto fragments = datagram(four, 3000, 1);
  auto odd = fragments[0];
  odd.pop_back();  // not the last, and not a multiple of eight
  put_u16(odd, 16, odd.size() - 14);
  put_u16(odd, 24, 0);
  put_u16(odd, 24, naive_checksum(Bytes(odd).subspan(14, 20)));
  dropped(odd, DropReason::kIpv4Fragment);
  auto beyond = fragments[2];  // the end would lie beyond 65535: the ping of death
  put_u16(beyond, 20, 0x1fff);
  put_u16(beyond, 24, 0);
  put_u16(beyond, 24, naive_checksum(Bytes(beyond).subspan(14, 20)));
  dropped(beyond, DropReason::kIpv4Fragment);
  // Longer than its last fragment said.
  feed(datagram(four, 1800, 9)[1]);
  BOOST_TEST(feed(datagram(four, 3000, 9)[1]) == 2u);
  BOOST_TEST(sockets.datagrams.size() == 1u);
}

BOOST_AUTO_TEST_CASE(what_stays_incomplete_is_told_after_its_time) {
  feed(datagram(four, 3000, 1)[0]);
  feed(datagram(four, 3000, 2)[1]);  // whose first is missing: nobody is told
  feed(datagram(six, 3000, 3)[0]);
  BOOST_TEST((nat->next_deadline().value() <= now + 30s));
  pass(30s);
  const Packet told = icmp(11, 1);
  BOOST_TEST((told.ip_header.destination == four.source));
  BOOST_TEST(link.frames.empty());
  BOOST_TEST(drops(DropReason::kIpv4Fragment) == 2u);
  pass(30s);
  const Packet told_six = icmp(3, 1);
  // The quotation is the packet's own head: UDP follows the IPv6 header.
  BOOST_TEST(int{told_six.transport[8 + 6]} == 17);
  BOOST_TEST(drops(DropReason::kIpv6Fragment) == 1u);
}

BOOST_AUTO_TEST_CASE(at_the_bound_the_oldest_gives_way) {
  for (uint16_t id = 1; id <= 17; ++id) {
    BOOST_TEST(feed(datagram(four, 3000, id)[0]) == (id == 17 ? 1u : 0u));
    now += 1ms;
  }
  icmp(11, 1);
  BOOST_TEST(drops(DropReason::kIpv4Fragment) == 1u);
  feed(datagram(four, 3000, 17)[1]);
  feed(datagram(four, 3000, 17)[2]);
  BOOST_TEST((newest().payload == pattern(3000)));
}

BOOST_AUTO_TEST_CASE(a_burst_of_whole_packets_is_more_than_there_are_places) {
  feed(datagram(four, 3000, 1000)[0]);  // incomplete, and older than all that follow
  for (const IpSpec& ip : {four, six}) {
    std::vector<ByteVector> frames;
    for (uint16_t id = 1; id <= 64; ++id) {
      for (const ByteVector& f : datagram(ip, size_t{2000} + id, id)) frames.push_back(f);
    }
    std::vector<GuestFrame> views;
    for (const ByteVector& f : frames) views.push_back({f, {}});
    nat->handle_frames(now, views);
    const auto& sent = sockets.datagrams.back().sent;
    BOOST_REQUIRE(sent.size() == 64u);
    for (size_t i = 0; i < 64; ++i) BOOST_TEST((sent[i].payload == pattern(2001 + i)));
  }
  BOOST_TEST(drops() == 0u);
  feed(datagram(four, 3000, 1000)[1]);
  feed(datagram(four, 3000, 1000)[2]);
  BOOST_TEST((sockets.datagrams[1].sent.back().payload == pattern(3000)));
}

BOOST_AUTO_TEST_CASE(the_bound_is_what_the_limits_say) {
  Config config;
  config.limits.reassemblies = 3;
  Fixture small(config);
  std::vector<ByteVector> frames;
  for (uint16_t id = 1; id <= 8; ++id) frames.push_back(datagram(four, 3000, id)[0]);
  std::vector<GuestFrame> views;
  for (const ByteVector& f : frames) views.push_back({f, {}});
  small.nat->handle_frames(small.now, views);
  BOOST_TEST(small.drops(DropReason::kIpv4Fragment) == 5u);
  for (int i = 0; i < 5; ++i) small.icmp(11, 1);
  BOOST_TEST(small.link.frames.empty());
  for (uint16_t id = 6; id <= 8; ++id) {
    for (size_t i = 1; i <= 2; ++i) BOOST_TEST(small.feed(datagram(four, 3000, id)[i]) == 0u);
    BOOST_TEST((small.newest().payload == pattern(3000)));
  }
  config.limits.reassemblies = 0;
  Fixture none(config);
  none.dropped(datagram(four, 3000, 1)[0], DropReason::kFlowLimit);
}

BOOST_AUTO_TEST_CASE(who_may_not_speak_may_not_in_fragments) {
  for (const char* source : {"10.0.0.1", "8.8.8.8"}) {
    dropped(datagram(v4(source, "198.51.100.7"), 3000, 1)[0], DropReason::kSourceAddressInvalid);
  }
  dropped(datagram(v4("10.0.0.2", "239.1.1.1"), 3000, 1)[0], DropReason::kMulticast);
  const auto denied = datagram(v4("10.0.0.2", "169.254.169.254"), 2000, 1);
  feed(denied[0]);
  dropped(denied[1], DropReason::kDestinationDenied);
  // Neighbour discovery in fragments is none (RFC 6980 5).
  IpSpec ndp = v6("fd00:da51::2", "fd00:da51::1");
  ndp.ttl = 255;
  ByteVector target;
  append(target, parse_ip("fd00:da51::1").value().bytes());
  const auto solicitation = cut(icmp_frame(ndp, 135, 0, 0, target), 16, 1);
  feed(solicitation[0]);
  dropped(solicitation[1], DropReason::kNdpInvalid);
  BOOST_TEST(sockets.datagrams.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_damaged_packet_is_seen_through_once_it_is_whole) {
  auto fragments = datagram(four, 2000, 1);
  fragments[1].back() ^= 1;
  feed(fragments[0]);
  dropped(fragments[1], DropReason::kUdpChecksum);
}

BOOST_AUTO_TEST_CASE(half_a_packet_is_state) {
  const auto fragments = datagram(six, 4000, 5);
  feed(fragments[2]);
  feed(fragments[0]);
  MemoryArchive saved;
  nat->save(saved);
  auto again = Nat::restore(saved, Config{}, Env{link, sockets, entropy, trace});
  BOOST_REQUIRE(again.ok());
  BOOST_TEST((again.value()->next_deadline() == nat->next_deadline()));
  MemoryArchive twice;
  again.value()->save(twice);
  BOOST_TEST((twice.bytes == saved.bytes));
  nat = std::move(again.value());
  feed(fragments[1]);
  BOOST_TEST((newest().payload == pattern(4000)));
  feed(datagram(six, 4000, 6)[0]);
  nat->restart_link(now);
  pass(2min);
  BOOST_TEST(drops(DropReason::kIpv6Fragment) == 0u);
}

BOOST_AUTO_TEST_CASE(what_our_own_writer_cuts_is_put_together_here) {
  for (const IpSpec& ip : {four, six}) {
    for (const size_t bytes : {size_t{1473}, size_t{8000}, size_t{60'000}}) {
      FakeFlowWorld world;
      Fragments fragments(world.context, world.errors);
      const IpOut out{ip.destination, ip.source, IpProtocol::kUdp, 64, 0, true, {}};
      BOOST_REQUIRE(world.writer.send_udp(out, {7}, {4000}, pattern(bytes)));
      Bytes whole;
      while (!world.link.frames.empty()) {
        BOOST_TEST(whole.empty());
        const SentFrame frame = world.link.take();
        Packet packet;
        const auto parsed = parse(frame.bytes, {}, 1500, packet);
        BOOST_REQUIRE((!parsed && Fragments::is_fragment(parsed.error())));
        whole = fragments.handle_packet(now, packet);
      }
      Packet packet;
      BOOST_REQUIRE(parse(whole, {}, 65535, packet).ok());
      BOOST_TEST((packet.source() == Endpoint{ip.destination, {7}}));
      BOOST_TEST((ByteVector(packet.payload.begin(), packet.payload.end()) == pattern(bytes)));
      BOOST_TEST(world.all_drops() == 0u);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
