#include <boost/test/unit_test.hpp>

#include "tests/core/dns/fixture.hh"

namespace dashi {

using namespace test;

namespace {

// Answers the upstream query `index` (in order of asking) from the first server.
void reply_to(DnsWorld& world, size_t index, size_t bytes) {
  DatagramState& socket = world.sockets.datagrams[index];
  world.arrive(socket, kFirst, dns_reply(socket.sent[0].payload, 0, bytes));
}

ByteVector first_bytes(const ByteVector& all, size_t n) {
  return {all.begin(), all.begin() + static_cast<ptrdiff_t>(n)};
}
ByteVector after(const ByteVector& all, size_t n) {
  return {all.begin() + static_cast<ptrdiff_t>(n), all.end()};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(dns_stream)

BOOST_FIXTURE_TEST_CASE(serves_port_53_of_the_gateways_addresses_alone, DnsWorld) {
  LocalStreams& streams = dns().streams();
  BOOST_TEST(streams.serves({kGatewayV4, Port{53}}));
  BOOST_TEST(streams.serves({topology.gateway_v6(), Port{53}}));
  BOOST_TEST(streams.serves({topology.gateway_link_local(), Port{53}}));
  BOOST_TEST(!streams.serves({kGatewayV4, Port{853}}));
  BOOST_TEST(!streams.serves({kGuestV4, Port{53}}));
  GuestStream stream(*this, 3);
  BOOST_TEST(saw(stream.id, SocketEvent::Kind::kConnected));
  BOOST_TEST((stream.socket->local() == Endpoint{kGatewayV4, Port{53}}));
}

BOOST_FIXTURE_TEST_CASE(answers_two_pipelined_queries_split_at_every_byte, DnsWorld) {
  ByteVector both = framed(dns_query(1, "a.example", 1));
  append(both, framed(dns_query(2, "bb.example", 28)));
  for (size_t cut = 0; cut <= both.size(); ++cut) {
    for (size_t second = cut; second <= both.size(); second += 7) {
      GuestStream stream(*this, 0);
      const size_t asked = sockets.datagrams.size();
      for (const ByteVector& piece :
           {first_bytes(both, cut), after(first_bytes(both, second), cut), after(both, second)}) {
        BOOST_REQUIRE(stream.write(piece) == piece.size());
      }
      BOOST_REQUIRE(sockets.datagrams.size() == asked + 2);
      BOOST_REQUIRE(stream.read().empty());
      reply_to(*this, asked, 4);
      reply_to(*this, asked + 1, 16);
      BOOST_REQUIRE(stream.read() == dns_reply(dns_query(1, "a.example", 1), 0, 4));
      BOOST_REQUIRE(stream.read() == dns_reply(dns_query(2, "bb.example", 28), 0, 16));
    }
  }
  BOOST_TEST(sockets.open_count() == 0u);
}

BOOST_FIXTURE_TEST_CASE(answers_as_answers_come_and_says_so, DnsWorld) {
  GuestStream stream(*this, 0);
  for (uint16_t id = 1; id <= 3; ++id) stream.write(framed(dns_query(id, "a.example", 1)));
  events.clear();
  reply_to(*this, 2, 4);
  BOOST_TEST(saw(stream.id, SocketEvent::Kind::kReadable));
  BOOST_TEST(dns_id(stream.read()) == 3);
  reply_to(*this, 0, 4);
  reply_to(*this, 1, 4);
  BOOST_TEST(dns_id(stream.read()) == 1);
  BOOST_TEST(dns_id(stream.read()) == 2);
  BOOST_TEST(count(Counter::kDnsQueriesTcp) == 3u);
}

BOOST_FIXTURE_TEST_CASE(peeks_at_any_offset_without_taking, DnsWorld) {
  GuestStream stream(*this, 0);
  stream.write(framed(dns_query(1, "a.example", 1)));
  reply_to(*this, 0, 50);
  const ByteVector all = stream.peek_all();
  BOOST_TEST(stream.peek_all() == all);
  ByteVector head(10);
  ByteVector tail(1000);
  const std::array<MutableBytes, 2> into{MutableBytes(head), MutableBytes(tail)};
  const auto peeked = stream.socket->peek(7, into);
  BOOST_REQUIRE(peeked.ok());
  BOOST_TEST(peeked->bytes == all.size() - 7);
  BOOST_TEST(head == after(first_bytes(all, 17), 7));
  BOOST_TEST(first_bytes(tail, all.size() - 17) == after(all, 17));
  BOOST_TEST((stream.socket->peek(all.size(), into).error() == SocketError::kWouldBlock));
  stream.socket->consume(5);
  BOOST_TEST(stream.peek_all() == after(all, 5));
}

BOOST_FIXTURE_TEST_CASE(asks_sixteen_at_once_and_then_pushes_back, DnsWorld) {
  GuestStream stream(*this, 0);
  ByteVector many;
  for (uint16_t id = 0; id < 400; ++id) append(many, framed(dns_query(id, "a.example", 1)));
  size_t taken = stream.write(many);
  BOOST_TEST(taken == TcpFront::kInBytes);
  const auto go_on = [&] {
    while (taken < many.size() && saw(stream.id, SocketEvent::Kind::kWritable)) {
      taken += stream.write(after(many, taken));
    }
  };
  go_on();
  BOOST_TEST(sockets.datagrams.size() == 16u);
  BOOST_TEST(taken == 16 * many.size() / 400 + TcpFront::kInBytes);
  BOOST_TEST(stream.write(after(many, taken)) == 0u);
  // Going on at each kWritable edge, every query is answered, and no more than sixteen wait.
  std::vector<bool> answered(400);
  for (size_t i = 0; i < sockets.datagrams.size(); ++i) {
    reply_to(*this, i, 4);
    go_on();
    const ByteVector reply = stream.read();
    BOOST_REQUIRE(!reply.empty());
    answered[dns_id(reply)] = true;
    BOOST_REQUIRE(dns().size() <= 16u);
  }
  BOOST_TEST(taken == many.size());
  BOOST_TEST(std::count(answered.begin(), answered.end(), true) == 400);
}

BOOST_FIXTURE_TEST_CASE(takes_a_query_of_any_length, DnsWorld) {
  GuestStream stream(*this, 0);
  ByteVector longest = dns_query(1, "a.example", 1);
  longest.resize(65535, 0x55);
  const ByteVector bytes = framed(longest);
  size_t taken = 0;
  for (size_t n = 1; n != 0; taken += n) n = stream.write(after(bytes, taken));
  BOOST_TEST(taken == bytes.size());
  BOOST_REQUIRE(sockets.datagrams.size() == 1u);
  BOOST_TEST(asked_upstream().size() == 65535u);
}

BOOST_FIXTURE_TEST_CASE(drains_after_the_guests_fin_and_then_ends, DnsWorld) {
  GuestStream stream(*this, 0);
  stream.write(framed(dns_query(1, "a.example", 1)));
  stream.socket->shutdown_write();
  turn();
  BOOST_TEST(!stream.eof());
  events.clear();
  reply_to(*this, 0, 4);
  BOOST_TEST(saw(stream.id, SocketEvent::Kind::kReadable));
  BOOST_TEST(dns_id(stream.read()) == 1);
  BOOST_TEST(stream.eof());
  const std::array<Bytes, 0> nothing{};
  BOOST_TEST((stream.socket->write(nothing).error() == SocketError::kClosed));

  GuestStream silent(*this, 1);
  silent.write({0});  // half a length, and no more
  silent.socket->shutdown_write();
  turn();
  BOOST_TEST(saw(silent.id, SocketEvent::Kind::kReadable));
  BOOST_TEST(silent.eof());
}

BOOST_FIXTURE_TEST_CASE(reports_the_end_together_with_the_last_bytes, DnsWorld) {
  GuestStream stream(*this, 0);
  stream.write(framed(dns_query(1, "a.example", 1)));
  stream.socket->shutdown_write();
  reply_to(*this, 0, 4);
  ByteVector buffer(1000);
  const std::array<MutableBytes, 1> whole{MutableBytes(buffer)};
  const auto peeked = stream.socket->peek(0, whole);
  BOOST_REQUIRE(peeked.ok());
  BOOST_TEST(peeked->eof);
  const std::array<MutableBytes, 1> less{MutableBytes(buffer).first(peeked->bytes - 1)};
  BOOST_TEST(!stream.socket->peek(0, less)->eof);
  BOOST_TEST(stream.socket->peek(peeked->bytes - 1, whole)->eof);
}

BOOST_FIXTURE_TEST_CASE(resets_a_connection_that_does_not_speak_dns, DnsWorld) {
  for (size_t length = 0; length <= 12; ++length) {
    GuestStream stream(*this, 0);
    stream.write(framed(dns_query(1, "a.example", 1)));
    events.clear();
    stream.write(framed(ByteVector(length, 0)));
    BOOST_TEST(saw(stream.id, SocketEvent::Kind::kReadable));
    BOOST_TEST((stream.error() == SocketError::kReset));
    BOOST_TEST(sockets.open_count() == 0u);
    const ByteVector byte{1};
    const std::array<Bytes, 1> from{Bytes(byte)};
    BOOST_TEST((stream.socket->write(from).error() == SocketError::kReset));
  }
  GuestStream stream(*this, 0);
  ByteVector response = dns_query(1, "a.example", 1);
  response[2] |= 0x80;
  stream.write(framed(response));
  BOOST_TEST((stream.error() == SocketError::kReset));
}

BOOST_FIXTURE_TEST_CASE(answers_errors_of_its_own_in_frames, DnsWorld) {
  limits.dns_queries = 1;
  config.records = {{"ours", {Ipv4Address{{1, 2, 3, 4}}}}};
  GuestStream stream(*this, 0);
  ByteVector update = dns_query(1, "a.example", 6);
  update[2] = 0x28;
  ByteVector broken = dns_message(2, 0x0100, 1, 0, 0, 0);
  append(broken, ByteVector{63, 'a'});
  ByteVector all = framed(update);
  append(all, framed(broken));
  append(all, framed(dns_query(3, "ours", 1)));
  append(all, framed(dns_query(4, "first", 1)));
  append(all, framed(dns_query(5, "second", 1)));
  stream.write(all);
  BOOST_TEST(dns_rcode(stream.read()) == 4);
  BOOST_TEST(dns_rcode(stream.read()) == 1);
  BOOST_TEST(dns_answers(stream.read()) == 1);
  const ByteVector refused = stream.read();
  BOOST_TEST(dns_id(refused) == 5);
  BOOST_TEST(dns_rcode(refused) == 2);
  BOOST_TEST(count(Counter::kDnsLimit) == 1u);
  pass(8s);
  const ByteVector failed = stream.read();
  BOOST_TEST(dns_id(failed) == 4);
  BOOST_TEST(dns_rcode(failed) == 2);
}

BOOST_FIXTURE_TEST_CASE(refuses_connections_beyond_the_bound, DnsWorld) {
  limits.dns_tcp_connections = 2;
  GuestStream one(*this, 0);
  {
    GuestStream two(*this, 1);
    const auto three = dns().streams().open({kGatewayV4, Port{53}}, {FlowKind::kTcp, 2, 1});
    BOOST_REQUIRE(!three.ok());
    BOOST_TEST((three.error() == SocketError::kTooManySockets));
    BOOST_TEST(count(Counter::kDnsLimit) == 1u);
  }
  BOOST_TEST(dns().stream_count() == 1u);
  GuestStream four(*this, 3);
}

BOOST_FIXTURE_TEST_CASE(ends_an_idle_connection_but_not_one_that_waits, DnsWorld) {
  config.rounds = 20;  // 80 s
  GuestStream stream(*this, 0);
  pass(29s);
  stream.write(framed(dns_query(1, "a.example", 1)));
  pass(35s);
  BOOST_TEST(!stream.eof());
  reply(upstream().sent[0].remote, 0, 4);
  BOOST_TEST(dns_id(stream.read()) == 1);
  pass(29s);
  BOOST_TEST(!stream.eof());
  events.clear();
  pass(1s);
  BOOST_TEST(saw(stream.id, SocketEvent::Kind::kReadable));
  BOOST_TEST(stream.eof());
  BOOST_TEST((dns().next_deadline() == kNever));
  // Data after that meets a closed connection.
  const ByteVector query = framed(dns_query(1, "a.example", 1));
  const std::array<Bytes, 1> from{Bytes(query)};
  BOOST_TEST((stream.socket->write(from).error() == SocketError::kReset));
  BOOST_TEST((stream.error() == SocketError::kReset));
}

BOOST_FIXTURE_TEST_CASE(ends_a_connection_that_never_asks, DnsWorld) {
  GuestStream stream(*this, 0);
  pass(30s);
  BOOST_TEST(stream.eof());
}

BOOST_FIXTURE_TEST_CASE(resets_a_connection_whose_answers_nobody_reads, DnsWorld) {
  GuestStream stream(*this, 0);
  stream.write(framed(dns_query(1, "a.example", 1)));
  reply_to(*this, 0, 4);
  pass(30s);
  BOOST_TEST((stream.error() == SocketError::kReset));
}

BOOST_FIXTURE_TEST_CASE(holds_answers_back_while_the_guest_does_not_read, DnsWorld) {
  GuestStream stream(*this, 0);
  for (uint16_t id = 0; id < 16; ++id) {
    stream.write(framed(dns_query_edns(id, "a.example", 16, 65535)));
  }
  for (size_t i = 0; i < 16; ++i) reply_to(*this, i, 20000);
  BOOST_TEST(stream.peek_all().size() < TcpFront::kOutHigh + 65537);
  BOOST_TEST(dns().size() == 14u);
  for (int i = 0; i < 16; ++i) BOOST_TEST(stream.read().size() > 20000u);
  BOOST_TEST(stream.read().empty());
  BOOST_TEST(dns().size() == 0u);
}

BOOST_FIXTURE_TEST_CASE(gives_its_queries_up_when_it_is_destroyed_or_aborted, DnsWorld) {
  {
    GuestStream stream(*this, 0);
    stream.write(framed(dns_query(1, "a.example", 1)));
    stream.write(framed(dns_query(2, "b.example", 1)));
    BOOST_TEST(dns().size() == 2u);
  }
  BOOST_TEST(dns().size() == 0u);
  BOOST_TEST(dns().stream_count() == 0u);
  BOOST_TEST(sockets.open_count() == 0u);
  event(sockets.datagrams[0].id, SocketEvent::Kind::kReadable);
  BOOST_TEST(count(Counter::kSocketEventsStale) == 1u);
  GuestStream stream(*this, 0);
  stream.write(framed(dns_query(1, "a.example", 1)));
  stream.socket->abort();
  BOOST_TEST(dns().size() == 0u);
  BOOST_TEST((stream.error() == SocketError::kReset));
  BOOST_TEST((dns().next_deadline() == Instant{}));  // the event is still to be taken
  turn();
  BOOST_TEST((dns().next_deadline() == kNever));
}

BOOST_FIXTURE_TEST_CASE(forgets_everything_at_a_link_restart, DnsWorld) {
  GuestStream stream(*this, 0);
  stream.write(framed(dns_query(1, "a.example", 1)));
  ask(4000, dns_query(2, "b.example", 1));
  dns().restart_link(now);
  BOOST_TEST(dns().size() == 0u);
  BOOST_TEST(sockets.open_count() == 0u);
  BOOST_TEST((stream.error() == SocketError::kReset));
  BOOST_TEST((dns().next_deadline() == kNever));
  stream.socket.reset();
  BOOST_TEST(dns().stream_count() == 0u);
  ask(4000, dns_query(2, "b.example", 1));
  reply(kFirst, 0, 4);
  BOOST_TEST(dns_id(answer()) == 2);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
