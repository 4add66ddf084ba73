#include <boost/test/unit_test.hpp>

#include "tests/core/dns/fixture.hh"

namespace dashi {

using namespace test;

BOOST_AUTO_TEST_SUITE(dns_udp)

BOOST_FIXTURE_TEST_CASE(passes_a_query_on_under_a_fresh_id_and_restores_the_guests, DnsWorld) {
  const ByteVector query = dns_query(0x1234, "Example.COM", 99);
  ask(4000, query);
  BOOST_TEST(upstream().sent.size() == 1u);
  BOOST_TEST((upstream().sent[0].remote == kFirst));
  ByteVector expected = query;
  put_u16(expected, 0, dns_id(asked_upstream()));
  BOOST_TEST(asked_upstream() == expected);
  BOOST_TEST(dns_id(asked_upstream()) != 0x1234);
  reply(kFirst, 0, 100);
  ByteVector answered = dns_reply(query, 0, 100);
  BOOST_TEST(answer() == answered);
  const Packet packet = last_frame.packet();
  BOOST_TEST((packet.source() == Endpoint{kGatewayV4, Port{53}}));
  BOOST_TEST((packet.destination() == Endpoint{kGuestV4, Port{4000}}));
  BOOST_TEST(dns().size() == 0u);
  BOOST_TEST(sockets.open_count() == 0u);
  BOOST_TEST(count(Counter::kDnsAnswers) == 1u);
  BOOST_TEST(all_drops() == 0u);
}

BOOST_FIXTURE_TEST_CASE(uses_another_id_and_socket_for_every_query, DnsWorld) {
  ask(4000, dns_query(1, "a.example", 1));
  ask(4000, dns_query(2, "b.example", 1));
  BOOST_TEST(sockets.datagrams.size() == 2u);
  BOOST_TEST((sockets.datagrams[0].local.port != sockets.datagrams[1].local.port));
  BOOST_TEST(dns_id(sockets.datagrams[0].sent[0].payload) !=
             dns_id(sockets.datagrams[1].sent[0].payload));
}

BOOST_FIXTURE_TEST_CASE(answers_ipv6_from_the_address_asked, DnsWorld) {
  const Ipv6Address guest_v6 = parse_ipv6("fd00:da51::2").value();
  for (const Ipv6Address& gateway : {topology.gateway_v6(), topology.gateway_link_local()}) {
    ask_from(guest_v6, gateway, 5000, dns_query(7, "six.example", 28));
    reply(kFirst, 0, 16);
    answer();
    BOOST_TEST((last_frame.packet().source() == Endpoint{gateway, Port{53}}));
    BOOST_TEST((last_frame.packet().destination() == Endpoint{guest_v6, Port{5000}}));
  }
}

BOOST_FIXTURE_TEST_CASE(truncates_what_is_longer_than_512_bytes_without_edns, DnsWorld) {
  ask(4000, dns_query(5, "long.example", 16));
  reply(kFirst, 0, 600);
  const ByteVector cut = answer();
  BOOST_TEST((dns_flags(cut) & 0x0200) != 0);
  BOOST_TEST(dns_id(cut) == 5);
  BOOST_TEST(dns_answers(cut) == 0);
  BOOST_TEST(cut.size() == dns_query(5, "long.example", 16).size());
  BOOST_TEST(count(Counter::kDnsTruncated) == 1u);
}

BOOST_FIXTURE_TEST_CASE(lets_edns_raise_the_size_but_not_beyond_the_mtu, DnsWorld) {
  ask(4000, dns_query_edns(5, "long.example", 16, 1232));
  reply(kFirst, 0, 1000);
  const ByteVector whole = answer();
  BOOST_TEST((dns_flags(whole) & 0x0200) == 0);
  BOOST_TEST(whole.size() > 1000u);
  ask(4000, dns_query_edns(6, "long.example", 16, 4096));
  reply(kFirst, 0, 1440);  // 1,470 bytes of message and more: over 1500 with IP and UDP
  BOOST_TEST((dns_flags(answer()) & 0x0200) != 0);
  ask(4000, dns_query_edns(7, "long.example", 16, 100));  // below 512 means 512
  reply(kFirst, 0, 400);
  BOOST_TEST((dns_flags(answer()) & 0x0200) == 0);
}

BOOST_FIXTURE_TEST_CASE(keeps_the_servers_edns_record_when_it_truncates, DnsWorld) {
  ask(4000, dns_query_edns(5, "long.example", 16, 512));
  ByteVector long_reply = dns_reply(asked_upstream(), 0, 700);
  put_u16(long_reply, 10, 1);
  append(long_reply, opt_record(1400, 0x8000, 6));
  arrive(upstream(), kFirst, long_reply);
  const ByteVector cut = answer();
  BOOST_TEST((dns_flags(cut) & 0x0200) != 0);
  const auto edns = find_dns_edns(cut);
  BOOST_REQUIRE(edns.has_value());
  BOOST_TEST(edns->udp_bytes == 1400);
  BOOST_TEST(edns->dnssec_ok);
  BOOST_TEST(edns->record.size() == 17u);
}

BOOST_FIXTURE_TEST_CASE(passes_an_upstream_truncation_on_to_a_guest_on_udp, DnsWorld) {
  ask(4000, dns_query(5, "tc.example", 1));
  reply(kFirst, 0x0200, 20);
  BOOST_TEST((dns_flags(answer()) & 0x0200) != 0);
  BOOST_TEST(sockets.streams.empty());
}

BOOST_FIXTURE_TEST_CASE(joins_a_query_that_the_guest_repeats, DnsWorld) {
  ask(4000, dns_query(5, "slow.example", 1));
  ask(4000, dns_query(5, "slow.example", 1));
  BOOST_TEST(sockets.datagrams.size() == 1u);
  BOOST_TEST(count(Counter::kDnsJoined) == 1u);
  ask(4000, dns_query(5, "other.example", 1));  // the same id for another question
  ask(4001, dns_query(5, "slow.example", 1));   // another asker
  BOOST_TEST(sockets.datagrams.size() == 3u);
  arrive(sockets.datagrams[0], kFirst, dns_reply(sockets.datagrams[0].sent[0].payload, 0, 4));
  BOOST_TEST(link.frames.size() == 1u);
  ask(4000, dns_query(5, "slow.example", 1));  // answered before: asked anew
  BOOST_TEST(sockets.datagrams.size() == 4u);
  BOOST_TEST(all_drops() == 0u);
}

BOOST_FIXTURE_TEST_CASE(drops_what_is_no_query_and_says_why_it_refuses_others, DnsWorld) {
  ask(4000, ByteVector(11, 0));
  BOOST_TEST(drops(DropReason::kDnsMalformed) == 1u);
  ByteVector response = dns_query(1, "a.example", 1);
  response[2] |= 0x80;
  ask(4000, response);
  BOOST_TEST(drops(DropReason::kDnsMalformed) == 2u);
  BOOST_TEST(link.frames.empty());

  ByteVector update = dns_query(2, "a.example", 6);
  update[2] = 0x28;
  ask(4000, update);
  BOOST_TEST(dns_rcode(answer()) == 4);
  ask(4000, dns_message(3, 0x0100, 0, 0, 0, 0));
  const ByteVector no_question = answer();
  BOOST_TEST(dns_rcode(no_question) == 1);
  BOOST_TEST(no_question.size() == 12u);
  ByteVector two = dns_query(4, "a.example", 1);
  put_u16(two, 4, 2);
  append(two, dns_question("b.example", 1));
  ask(4000, two);
  BOOST_TEST(dns_rcode(answer()) == 1);
  BOOST_TEST(drops(DropReason::kDnsMalformed) == 2u);
  BOOST_TEST(sockets.datagrams.empty());
}

BOOST_FIXTURE_TEST_CASE(answers_or_drops_every_truncation_of_a_query_once, DnsWorld) {
  const ByteVector query = dns_query_edns(9, "www.example.org", 1, 1232);
  for (size_t n = 1; n < query.size(); ++n) {
    const size_t before = link.frames.size() + sockets.datagrams.size() + all_drops();
    ask(static_cast<uint16_t>(4000 + n),
        {query.begin(), query.begin() + static_cast<ptrdiff_t>(n)});
    BOOST_TEST(link.frames.size() + sockets.datagrams.size() + all_drops() == before + 1);
  }
}

BOOST_FIXTURE_TEST_CASE(takes_a_super_frame_for_the_row_of_queries_it_is, DnsWorld) {
  ByteVector row = dns_query(1, "a.example", 1);
  const size_t each = row.size();
  append(row, dns_query(2, "b.example", 1));
  IpSpec ip;
  ip.source = kGuestV4;
  ip.destination = kGatewayV4;
  ParsedFrame frame(udp_frame(ip, 4000, 53, row));
  frame.packet.offload.gso_type = GsoType::kUdp;
  frame.packet.offload.gso_size = static_cast<uint16_t>(each);
  dns().handle_packet(now, frame.packet);
  BOOST_TEST(sockets.datagrams.size() == 2u);
  BOOST_TEST(sockets.datagrams[1].sent[0].payload.size() == each);
}

BOOST_FIXTURE_TEST_CASE(refuses_with_servfail_at_the_bound_and_without_resolvers, DnsWorld) {
  limits.dns_queries = 3;
  for (uint16_t i = 0; i < 3; ++i) ask(4000, dns_query(i, "a.example", 1));
  BOOST_TEST(link.frames.empty());
  ask(4000, dns_query(0x77, "a.example", 1));
  const ByteVector refused = answer();
  BOOST_TEST(dns_rcode(refused) == 2);
  BOOST_TEST(dns_id(refused) == 0x77);
  BOOST_TEST(count(Counter::kDnsLimit) == 1u);
  BOOST_TEST(count(Counter::kDnsServfails) == 1u);
  BOOST_TEST(sockets.datagrams.size() == 3u);

  dns().set_resolvers(now, {});  // whoever waits is told
  BOOST_TEST(link.frames.size() == 3u);
  while (!link.frames.empty()) BOOST_TEST(dns_rcode(answer()) == 2);
  ask(4000, dns_query(0x5678, "unknown.example", 1));
  const ByteVector alone = answer();
  BOOST_TEST(dns_id(alone) == 0x5678);
  BOOST_TEST(dns_rcode(alone) == 2);
  BOOST_TEST((dns_flags(alone) & 0x8000) != 0);
  BOOST_TEST(sockets.open_count() == 0u);
}

BOOST_FIXTURE_TEST_CASE(loses_an_answer_that_the_link_has_no_room_for, DnsWorld) {
  ask(4000, dns_query(1, "a.example", 1));
  link.room = 0;
  reply(kFirst, 0, 4);
  BOOST_TEST(link.frames.empty());
  BOOST_TEST(dns().size() == 0u);
  BOOST_TEST(count(Counter::kGuestLinkFull) == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
