#include <boost/test/unit_test.hpp>

#include "tests/core/dns/fixture.hh"

namespace dashi {

using namespace test;

namespace {

const Endpoint kThird{Ipv4Address{{192, 0, 2, 3}}, Port{53}};

void net_error(DnsWorld& world, const Endpoint& about) {
  SocketEvent event;
  event.id = world.upstream().id;
  event.kind = SocketEvent::Kind::kNetError;
  event.error.error = SocketError::kRefused;
  event.error.original_remote = about;
  world.dns().handle_socket(world.now, event);
  world.turn();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(dns_failover)

BOOST_FIXTURE_TEST_CASE(asks_the_next_server_when_the_first_is_silent_and_stays_there, DnsWorld) {
  ask(4000, dns_query(1, "a.example", 1));
  const uint16_t first_id = dns_id(asked_upstream());
  pass(1999ms);
  BOOST_TEST(sockets.datagrams.size() == 1u);
  pass(1ms);
  BOOST_TEST(sockets.datagrams.size() == 2u);
  BOOST_TEST(sockets.datagrams[0].closed);
  BOOST_TEST((upstream().sent[0].remote == kSecond));
  BOOST_TEST(dns_id(asked_upstream()) != first_id);
  BOOST_TEST(count(Counter::kDnsFailovers) == 1u);
  reply(kSecond, 0, 4);
  BOOST_TEST(dns_id(answer()) == 1);
  ask(4000, dns_query(2, "b.example", 1));  // the good one is asked first now
  BOOST_TEST((upstream().sent[0].remote == kSecond));
  pass(2s);
  BOOST_TEST((upstream().sent[0].remote == kFirst));
  reply(kFirst, 0, 4);
  BOOST_TEST(dns_id(answer()) == 2);
}

BOOST_FIXTURE_TEST_CASE(one_query_in_a_while_asks_the_preferred_server_again, DnsWorld) {
  const auto asks_first = [&](uint16_t id) {
    ask(4000, dns_query(id, "a.example", 1));
    return upstream().sent[0].remote;
  };
  BOOST_TEST((asks_first(1) == kFirst));
  pass(2s);
  reply(kSecond, 0, 4);
  answer();
  pass(30s - 1ns);
  BOOST_TEST((asks_first(2) == kSecond));
  reply(kSecond, 0, 4);
  answer();
  pass(1ns);
  // Still silent: it costs this one query a timeout, and the others nothing.
  BOOST_TEST((asks_first(3) == kFirst));
  BOOST_TEST((asks_first(4) == kSecond));
  reply(kSecond, 0, 4);
  BOOST_TEST(dns_id(answer()) == 4);
  pass(2s);
  BOOST_TEST((upstream().sent[0].remote == kSecond));
  reply(kSecond, 0, 4);
  BOOST_TEST(dns_id(answer()) == 3);
  BOOST_TEST((asks_first(5) == kSecond));
  reply(kSecond, 0, 4);
  answer();
  // It is back: one query notices, all follow.
  pass(28s);
  BOOST_TEST((asks_first(6) == kFirst));
  reply(kFirst, 0, 4);
  answer();
  BOOST_TEST((asks_first(7) == kFirst));
}

BOOST_FIXTURE_TEST_CASE(a_server_that_declines_a_question_keeps_its_place, DnsWorld) {
  ask(4000, dns_query(1, "bogus.example", 1));
  reply(kFirst, 2, 0);
  reply(kSecond, 2, 0);
  BOOST_TEST(dns_rcode(answer()) == 2);
  ask(4000, dns_query(2, "internal.example", 1));
  BOOST_TEST((upstream().sent[0].remote == kFirst));
  reply(kFirst, 5, 0);
  reply(kSecond, 0, 4);
  BOOST_TEST(dns_rcode(answer()) == 0);
  ask(4000, dns_query(3, "a.example", 1));
  BOOST_TEST((upstream().sent[0].remote == kFirst));
}

BOOST_FIXTURE_TEST_CASE(gives_up_with_servfail_after_its_rounds, DnsWorld) {
  config.rounds = 3;
  ask(4000, dns_query(9, "a.example", 1));
  pass(11999ms);
  BOOST_TEST(link.frames.empty());
  BOOST_TEST(sockets.datagrams.size() == 6u);
  pass(1ms);
  const ByteVector failed = answer();
  BOOST_TEST(dns_rcode(failed) == 2);
  BOOST_TEST(dns_id(failed) == 9);
  BOOST_TEST(count(Counter::kDnsServfails) == 1u);
  BOOST_TEST(sockets.open_count() == 0u);
  BOOST_TEST((dns().next_deadline() == kNever));
  for (size_t i = 0; i < 6; ++i) {
    BOOST_TEST((sockets.datagrams[i].sent[0].remote == (i % 2 == 0 ? kFirst : kSecond)));
  }
}

BOOST_FIXTURE_TEST_CASE(fails_over_at_once_on_port_unreachable, DnsWorld) {
  ask(4000, dns_query(1, "a.example", 1));
  net_error(*this, Endpoint{kThird.address, Port{53}});  // about somebody else
  BOOST_TEST(sockets.datagrams.size() == 1u);
  net_error(*this, kFirst);
  BOOST_TEST(sockets.datagrams.size() == 2u);
  BOOST_TEST((upstream().sent[0].remote == kSecond));
  net_error(*this, Endpoint{});
  BOOST_TEST((upstream().sent[0].remote == kFirst));
  net_error(*this, kFirst);
  net_error(*this, kSecond);
  BOOST_TEST(dns_rcode(answer()) == 2);
  BOOST_TEST(nanoseconds(now) == nanoseconds(Instant(100s)));  // all within no time
}

BOOST_FIXTURE_TEST_CASE(refuses_at_once_when_nothing_can_be_opened_or_sent, DnsWorld) {
  sockets.open_error = SocketError::kNetworkUnreachable;
  ask(4000, dns_query(1, "a.example", 1));
  BOOST_TEST(dns_rcode(answer()) == 2);
  BOOST_TEST(count(Counter::kDnsLimit) == 0u);
  sockets.open_error = SocketError::kTooManySockets;
  ask(4000, dns_query(2, "a.example", 1));
  BOOST_TEST(dns_rcode(answer()) == 2);
  BOOST_TEST(count(Counter::kDnsLimit) != 0u);
  BOOST_TEST(dns().size() == 0u);
}

BOOST_FIXTURE_TEST_CASE(ignores_and_counts_answers_that_do_not_match, DnsWorld) {
  ask(4000, dns_query(1, "a.example", 1));
  const ByteVector good = dns_reply(asked_upstream(), 0, 4);
  uint64_t expected = 0;
  const auto ignored = [&](const Endpoint& from, const ByteVector& message) {
    arrive(upstream(), from, message);
    BOOST_TEST(link.frames.empty());
    BOOST_TEST(count(Counter::kDnsMismatched) == ++expected);
  };
  const auto with = [&](size_t at, uint8_t value) {
    ByteVector changed = good;
    changed[at] = value;
    return changed;
  };
  ignored(kSecond, good);                                       // another server
  ignored(Endpoint{kFirst.address, Port{54}}, good);            // another port
  ignored(kFirst, with(1, static_cast<uint8_t>(good[1] ^ 1)));  // another id
  ignored(kFirst, with(2, 0x01));                               // a query
  ignored(kFirst, with(2, 0xa8));                               // another opcode
  ignored(kFirst, with(13, 'b'));                               // another name
  ignored(kFirst, with(24, 28));                                // another type
  ignored(kFirst, with(26, 3));                                 // another class
  ignored(kFirst, with(5, 2));                                  // two questions
  ignored(kFirst, with(5, 0));                                  // no question, and yet no error
  ignored(kFirst, {good.begin(), good.begin() + 20});
  ignored(kFirst, {good.begin(), good.begin() + 11});
  ignored(kFirst, {});
  arrive(upstream(), kFirst, with(13, 'A'));  // the same name (RFC 4343), passed as it came
  ByteVector passed = with(13, 'A');
  put_u16(passed, 0, 1);
  BOOST_TEST(answer() == passed);
}

BOOST_FIXTURE_TEST_CASE(ignores_the_late_answer_of_an_earlier_try, DnsWorld) {
  ask(4000, dns_query(1, "a.example", 1));
  const ByteVector late = dns_reply(asked_upstream(), 0, 4);
  const FlowId old = upstream().id;
  pass(2s);
  arrive(upstream(), kFirst, late);
  BOOST_TEST(count(Counter::kDnsMismatched) == 1u);
  event(old, SocketEvent::Kind::kReadable);
  BOOST_TEST(count(Counter::kSocketEventsStale) == 1u);
  BOOST_TEST(link.frames.empty());
}

BOOST_FIXTURE_TEST_CASE(finds_the_answer_behind_a_flood, DnsWorld) {
  ask(4000, dns_query(1, "a.example", 1));
  Arrival arrival;
  arrival.remote = kThird;
  arrival.payload = dns_reply(asked_upstream(), 0, 4);
  for (int i = 0; i < 100; ++i) upstream().incoming.push_back(arrival);
  reply(kFirst, 0, 4);  // one edge for all of them
  BOOST_TEST(dns_id(answer()) == 1);
  BOOST_TEST(count(Counter::kDnsMismatched) == 100u);
}

BOOST_FIXTURE_TEST_CASE(passes_over_a_server_that_fails_while_another_was_not_asked, DnsWorld) {
  for (const uint16_t rcode : std::initializer_list<uint16_t>{2, 4, 5}) {
    ask(4000, dns_query(rcode, "a.example", 1));
    const Endpoint asked = upstream().sent[0].remote;
    const Endpoint other = asked == kFirst ? kSecond : kFirst;
    reply(asked, rcode, 0);
    BOOST_TEST((upstream().sent[0].remote == other));
    reply(other, rcode, 0);  // the last one's error is the guest's answer
    BOOST_TEST(dns_rcode(answer()) == rcode);
  }
  ask(4000, dns_query(7, "a.example", 1));
  reply(upstream().sent[0].remote, 3, 0);  // NXDOMAIN is an answer
  BOOST_TEST(dns_rcode(answer()) == 3);
  ask(4000, dns_query(8, "a.example", 1));
  arrive(upstream(), upstream().sent[0].remote,
         dns_message(dns_id(asked_upstream()), 0x8181, 0, 0, 0, 0));
  BOOST_TEST(dns_rcode(answer()) == 1);  // FORMERR comes without a question
}

BOOST_FIXTURE_TEST_CASE(goes_over_to_new_resolvers_with_what_waits, DnsWorld) {
  ask(4000, dns_query(1, "a.example", 1));
  const std::vector<Endpoint> without_first{kThird, kSecond};
  dns().set_resolvers(now, without_first);
  BOOST_TEST(sockets.datagrams.size() == 2u);
  BOOST_TEST((upstream().sent[0].remote == kThird));
  const std::vector<Endpoint> with_third{kFirst, kThird};
  dns().set_resolvers(now, with_third);  // the server asked is among them: its answer counts
  BOOST_TEST(sockets.datagrams.size() == 2u);
  dns().set_resolvers(now, with_third);
  reply(kThird, 0, 4);
  BOOST_TEST(dns_id(answer()) == 1);
  ask(4000, dns_query(2, "a.example", 1));
  BOOST_TEST((upstream().sent[0].remote == kThird));
  pass(2s);
  BOOST_TEST((upstream().sent[0].remote == kFirst));
  // Whom we liked among the old ones says nothing about the new.
  dns().set_resolvers(now, std::vector<Endpoint>{kSecond, kFirst, kThird});
  ask(4000, dns_query(3, "a.example", 1));
  BOOST_TEST((upstream().sent[0].remote == kSecond));
}

BOOST_FIXTURE_TEST_CASE(asks_an_ipv6_resolver_from_an_ipv6_socket, DnsWorld) {
  const Endpoint six{parse_ipv6("2001:db8::53").value(), Port{53}};
  config.resolvers = {six};
  ask(4000, dns_query(1, "a.example", 1));
  BOOST_TEST(upstream().local.address.is_v6());
  pass(2s);  // the only server is asked again; that is no failover
  BOOST_TEST(sockets.datagrams.size() == 2u);
  BOOST_TEST(count(Counter::kDnsFailovers) == 0u);
  reply(six, 0, 4);
  BOOST_TEST(dns_id(answer()) == 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
