#include <boost/test/unit_test.hpp>

#include "tests/core/dns/fixture.hh"

namespace dashi {

using namespace test;

namespace {

// A guest on TCP whose query the first server truncated over UDP, and is now asked over TCP.
struct TruncatedWorld : DnsWorld {
  std::optional<GuestStream> asker;
  ByteVector query = dns_query(0x4242, "big.example", 16);

  void begin() {
    asker.emplace(*this, 0);
    asker->write(framed(query));
    reply(upstream().sent[0].remote, 0x0200, 0);
    BOOST_REQUIRE(sockets.streams.size() == 1u);
  }
  void connected() { event(upstream_tcp().id, SocketEvent::Kind::kConnected); }
  // The query as the server reads it.
  ByteVector asked_tcp() {
    const ByteVector& written = upstream_tcp().written;
    BOOST_REQUIRE(written.size() == 2 + query.size());
    BOOST_TEST(u16_at(written, 0) == query.size());
    return {written.begin() + 2, written.end()};
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(dns_upstream_tcp)

BOOST_FIXTURE_TEST_CASE(asks_over_tcp_what_udp_truncated, TruncatedWorld) {
  begin();
  BOOST_TEST((upstream_tcp().remote == kFirst));
  BOOST_TEST(sockets.datagrams[0].closed);
  BOOST_TEST(upstream_tcp().written.empty());
  connected();
  BOOST_TEST(dns_id(asked_tcp()) != dns_id(sockets.datagrams[0].sent[0].payload));
  arrive_tcp(upstream_tcp(), framed(dns_reply(asked_tcp(), 0, 60000)));
  BOOST_TEST(asker->read() == dns_reply(query, 0, 60000));
  BOOST_TEST(upstream_tcp().closed);
  BOOST_TEST(!upstream_tcp().aborted);  // an exchange that is complete ends with FIN
  BOOST_TEST(dns().size() == 0u);
  BOOST_TEST(link.frames.empty());
}

BOOST_FIXTURE_TEST_CASE(assembles_an_answer_that_comes_byte_by_byte, TruncatedWorld) {
  begin();
  connected();
  const ByteVector bytes = framed(dns_reply(asked_tcp(), 0, 300));
  for (size_t i = 0; i < bytes.size(); ++i) {
    BOOST_REQUIRE(asker->read().empty());
    arrive_tcp(upstream_tcp(), {bytes[i]});
  }
  BOOST_TEST(asker->read() == dns_reply(query, 0, 300));
}

BOOST_FIXTURE_TEST_CASE(writes_the_query_as_the_socket_takes_it, TruncatedWorld) {
  begin();
  upstream_tcp().write_room = 0;
  connected();
  for (size_t i = 0; i < 2 + query.size(); ++i) {
    BOOST_REQUIRE(upstream_tcp().written.size() == i);
    upstream_tcp().write_room = 1;
    event(upstream_tcp().id, SocketEvent::Kind::kWritable);
  }
  arrive_tcp(upstream_tcp(), framed(dns_reply(asked_tcp(), 0, 3)));
  BOOST_TEST(asker->read() == dns_reply(query, 0, 3));
}

BOOST_FIXTURE_TEST_CASE(goes_on_to_the_next_server_however_tcp_fails, TruncatedWorld) {
  using Break = void (*)(TruncatedWorld&);
  const std::initializer_list<Break> breaks = {
      [](TruncatedWorld& w) { w.event(w.upstream_tcp().id, SocketEvent::Kind::kConnectFailed); },
      [](TruncatedWorld& w) { w.pass(2s); },  // never connected
      [](TruncatedWorld& w) {                 // connected, never answered
        w.connected();
        w.pass(2s);
      },
      [](TruncatedWorld& w) {  // reset
        w.connected();
        w.upstream_tcp().error = SocketError::kReset;
        w.event(w.upstream_tcp().id, SocketEvent::Kind::kReadable);
      },
      [](TruncatedWorld& w) {  // closed in the middle
        w.connected();
        w.upstream_tcp().eof = true;
        w.arrive_tcp(w.upstream_tcp(), {0, 90, 1, 2, 3});
      },
      [](TruncatedWorld& w) {  // another id
        w.connected();
        ByteVector wrong = dns_reply(w.asked_tcp(), 0, 3);
        wrong[0] ^= 1;
        w.arrive_tcp(w.upstream_tcp(), framed(wrong));
      },
      [](TruncatedWorld& w) {  // no message at all
        w.connected();
        w.arrive_tcp(w.upstream_tcp(), {0, 0});
      },
      [](TruncatedWorld& w) {  // cannot answer
        w.connected();
        w.arrive_tcp(w.upstream_tcp(), framed(dns_reply(w.asked_tcp(), 2, 0)));
      },
  };
  for (const Break& broken : breaks) {
    TruncatedWorld world;
    world.begin();
    broken(world);
    BOOST_TEST(world.upstream_tcp().closed);
    BOOST_REQUIRE(world.sockets.datagrams.size() == 2u);
    BOOST_TEST((world.upstream().sent[0].remote == kSecond));
    world.reply(kSecond, 0, 5);
    BOOST_TEST(world.asker->read() == dns_reply(world.query, 0, 5));
  }
}

BOOST_FIXTURE_TEST_CASE(gives_up_on_a_server_that_drips, TruncatedWorld) {
  begin();
  connected();
  const size_t used = sockets.datagrams.size();
  ByteVector bytes = framed(dns_reply(asked_tcp(), 0, 3000));
  size_t at = 0;
  Duration passed{};
  for (; sockets.datagrams.size() == used && passed < 60s; passed += 1s) {
    arrive_tcp(upstream_tcp(), {bytes[at++]});
    pass(1s);
  }
  BOOST_TEST(passed.count() == Duration(10s).count());  // five times try_timeout
  BOOST_TEST((upstream().sent[0].remote == kSecond));
}

BOOST_FIXTURE_TEST_CASE(lets_a_transfer_flow_until_the_server_pauses_or_closes, DnsWorld) {
  for (const bool closes : {false, true}) {
    GuestStream asker(*this, closes ? 1 : 0);
    const size_t datagrams = sockets.datagrams.size();
    const ByteVector query = dns_query(0x77, "zone.example", 252);
    asker.write(framed(query));
    BOOST_TEST(sockets.datagrams.size() == datagrams);  // straight over TCP (RFC 5936 4.1)
    event(upstream_tcp().id, SocketEvent::Kind::kConnected);
    const ByteVector asked{upstream_tcp().written.begin() + 2, upstream_tcp().written.end()};
    ByteVector bytes;
    for (size_t i = 0; i < 5; ++i) append(bytes, framed(dns_reply(asked, 0, 15000 + i)));
    // Further messages may come without the question (RFC 5936 2.2.1), and end in an error.
    append(bytes, framed(dns_message(dns_id(asked), 0x8180, 0, 0, 0, 0)));
    append(bytes, framed(dns_message(dns_id(asked), 0x8182, 0, 0, 0, 0)));
    if (closes) upstream_tcp().eof = true;
    arrive_tcp(upstream_tcp(), bytes);
    BOOST_TEST(asker.peek_all().size() < TcpFront::kOutHigh + 65537);
    for (size_t i = 0; i < 5; ++i) BOOST_TEST(asker.read() == dns_reply(query, 0, 15000 + i));
    BOOST_TEST(dns_rcode(asker.read()) == 0);
    const ByteVector last = asker.read();
    BOOST_TEST(dns_id(last) == 0x77);
    BOOST_TEST(dns_rcode(last) == 2);
    BOOST_TEST(dns().size() == (closes ? 0u : 1u));
    pass(2s);
    BOOST_TEST(dns().size() == 0u);
    BOOST_TEST(asker.read().empty());
    BOOST_TEST((asker.error() == SocketError::kWouldBlock));
  }
}

BOOST_FIXTURE_TEST_CASE(closes_upstream_connections_with_the_guests, TruncatedWorld) {
  begin();
  connected();
  asker.reset();
  BOOST_TEST(upstream_tcp().aborted);
  BOOST_TEST(sockets.open_count() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
