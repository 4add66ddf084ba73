#include <boost/test/unit_test.hpp>
#include <functional>

#include "tests/core/dns/fixture.hh"

namespace dashi {

using namespace test;

namespace {

ByteVector saved(const DnsService& service) {
  MemoryArchive archive;
  ArchiveWriter writer(archive);
  service.save(writer);
  return archive.bytes;
}

// A session with a bit of everything, one step at a time; before any of them the service may be
// saved and another one restored in its place.
struct Session : DnsWorld {
  std::vector<std::unique_ptr<DnsService>> former;
  std::vector<std::unique_ptr<StreamSocket>> former_streams;
  std::vector<std::unique_ptr<GuestStream>> streams;
  std::vector<ByteVector> read;

  std::vector<std::function<void()>> steps = {
      [&] { ask(4000, dns_query(1, "a.example", 1)); },
      [&] { ask(4000, dns_query_edns(2, "b.example", 16, 1232)); },
      [&] { streams.push_back(std::make_unique<GuestStream>(*this, 7)); },
      [&] { streams[0]->write(framed(dns_query(3, "c.example", 16))); },
      [&] { reply(kFirst, 0x0200, 0); },  // on to TCP
      [&] {
        streams[0]->write({0, 40, 1, 2, 3});
      },
      [&] { event(upstream_tcp().id, SocketEvent::Kind::kConnected); },
      [&] {
        const ByteVector asked(upstream_tcp().written.begin() + 2, upstream_tcp().written.end());
        rest = framed(dns_reply(asked, 0, 900));
        arrive_tcp(upstream_tcp(), {rest.begin(), rest.begin() + 500});
      },
      [&] { ask(4000, dns_query(1, "a.example", 1)); },  // joins
      [&] { pass(1s); },
      [&] {
        arrive_tcp(upstream_tcp(), {rest.begin() + 500, rest.end()});
      },
      [&] { read.push_back(streams[0]->peek_all()); },
      [&] {
        (void)dns().set_record("ours", std::vector<IpAddress>{Ipv4Address{{9, 9, 9, 9}}});
      },
      [&] { pass(1s); },  // the UDP ones go on to the second server
      [&] { reply_where("a.example", kSecond); },
      [&] { read.push_back(streams[0]->read()); },
      [&] { ask(4001, dns_query(4, "ours", 1)); },
      [&] { streams.push_back(std::make_unique<GuestStream>(*this, 8)); },
      [&] { streams[1]->write(framed(dns_query(5, "zone.example", 252))); },
      [&] { event(upstream_tcp().id, SocketEvent::Kind::kConnected); },
      [&] {
        const ByteVector asked(upstream_tcp().written.begin() + 2, upstream_tcp().written.end());
        for (int i = 0; i < 4; ++i) append(rest, framed(dns_reply(asked, 0, 20000)));
        arrive_tcp(upstream_tcp(), {rest.begin() + 500 + 500, rest.end()});
      },
      [&] {
        for (int i = 0; i < 4; ++i) read.push_back(streams[1]->read());
      },
      [&] { streams.push_back(std::make_unique<GuestStream>(*this, 9)); },
      [&] {  // more than it takes: kWritable is owed once an answer has made room
        ByteVector many;
        for (uint16_t id = 0; id < 200; ++id) append(many, framed(dns_query(id, "d.example", 1)));
        size_t taken = 0;
        for (size_t n = 1; n != 0; taken += n) {
          n = streams[2]->write({many.begin() + static_cast<ptrdiff_t>(taken), many.end()});
        }
      },
      [&] { reply_where("d.example", kSecond); },
      [&] { pass(10s); },
      [&] { streams[0]->socket->shutdown_write(); },
      [&] { pass(60s); },
  };
  ByteVector rest;

  void reply_where(std::string_view name, const Endpoint& from) {
    for (DatagramState& socket : sockets.datagrams) {
      const auto question = parse_dns_question(socket.sent.back().payload);
      if (socket.closed || to_string(question->name) != name) continue;
      arrive(socket, from, dns_reply(socket.sent.back().payload, 0, 4));
      return;
    }
    BOOST_FAIL("nobody asks for " << name);
  }

  void replace_service() {
    const ByteVector state = saved(dns());
    former.push_back(std::move(service));
    service = std::make_unique<DnsService>(config, context, kIndexKey);
    MemoryArchive archive;
    archive.bytes = state;
    ArchiveReader reader(archive);
    BOOST_REQUIRE(service->restore(reader));
    BOOST_REQUIRE(archive.read == state.size());
    BOOST_REQUIRE(saved(*service) == state);
    for (auto& stream : streams) {
      former_streams.push_back(std::move(stream->socket));
      stream->socket = service->streams().adopt(stream->id);
      BOOST_REQUIRE(stream->socket != nullptr);
      BOOST_REQUIRE(service->streams().adopt(stream->id) == nullptr);
    }
  }

  // All that the world saw, in order of each kind.
  ByteVector transcript() {
    ByteVector out;
    for (const SentFrame& frame : link.frames) append(out, framed(frame.bytes));
    for (const DatagramState& socket : sockets.datagrams) {
      append_u32(out, socket.id.generation);
      for (const SentDatagram& sent : socket.sent) append(out, framed(sent.payload));
    }
    for (const StreamState& socket : sockets.streams) append(out, framed(socket.written));
    for (const ByteVector& bytes : read) append(out, framed(bytes));
    for (const SocketEvent& event : events) out.push_back(static_cast<uint8_t>(event.kind));
    for (const uint64_t value : counters.values) append_u32(out, value);
    for (auto& stream : streams) out.push_back(stream->eof() ? 1 : 0);
    append(out, saved(dns()));
    return out;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(dns_state)

BOOST_AUTO_TEST_CASE(goes_on_after_a_restore_as_if_nothing_had_been) {
  Session plain;
  for (const auto& step : plain.steps) step();
  const ByteVector expected = plain.transcript();
  BOOST_TEST(plain.link.frames.size() == 3u);  // a.example, ours, SERVFAIL for b.example
  BOOST_TEST(plain.read[0].size() > 900u);
  for (size_t at = 0; at <= plain.steps.size(); ++at) {
    Session session;
    for (size_t i = 0; i < session.steps.size(); ++i) {
      if (i == at) session.replace_service();
      session.steps[i]();
    }
    BOOST_TEST((session.transcript() == expected), "restored before step " << at);
  }
  Session always;
  for (const auto& step : always.steps) {
    always.replace_service();
    step();
  }
  BOOST_TEST((always.transcript() == expected));
}

BOOST_AUTO_TEST_CASE(ends_restored_streams_that_nobody_adopts) {
  Session session;
  for (size_t i = 0; i < 5; ++i) session.steps[i]();
  const ByteVector state = saved(session.dns());
  DnsService other(session.config, session.context, kIndexKey);
  MemoryArchive archive;
  archive.bytes = state;
  ArchiveReader reader(archive);
  BOOST_REQUIRE(other.restore(reader));
  BOOST_TEST(other.stream_count() == 1u);
  other.flush(session.now);
  BOOST_TEST(other.stream_count() == 0u);
  BOOST_TEST(other.size() == 2u);
}

BOOST_AUTO_TEST_CASE(refuses_a_state_whose_sockets_are_gone) {
  Session session;
  session.steps[0]();
  const ByteVector state = saved(session.dns());
  session.sockets.adopts = false;
  DnsService other(session.config, session.context, kIndexKey);
  MemoryArchive archive;
  archive.bytes = state;
  ArchiveReader reader(archive);
  BOOST_TEST(!other.restore(reader));
}

BOOST_AUTO_TEST_CASE(refuses_every_truncated_state_and_survives_broken_ones) {
  Session session;
  for (size_t i = 0; i < 21; ++i) session.steps[i]();
  const ByteVector state = saved(session.dns());
  const auto restored = [&](const ByteVector& bytes) {
    DnsService other(session.config, session.context, kIndexKey);
    MemoryArchive archive;
    archive.bytes = bytes;
    ArchiveReader reader(archive);
    const bool ok = other.restore(reader);
    if (ok) {
      other.handle_timers(session.now + 100s);
      other.flush(session.now + 100s);
      std::string text;
      other.dump(text, session.now);
    }
    return ok;
  };
  BOOST_TEST(restored(state));
  for (size_t n = 0; n < state.size(); n += n < 3000 ? 7 : 997) {
    BOOST_TEST(!restored({state.begin(), state.begin() + static_cast<ptrdiff_t>(n)}));
  }
  const uint64_t seed = 77;
  BOOST_TEST_MESSAGE("seed " << seed);
  uint64_t x = seed;
  for (int round = 0; round < 400; ++round) {
    ByteVector broken = state;
    x = x * 6364136223846793005 + 1442695040888963407;
    broken[(x >> 33) % std::min<size_t>(broken.size(), 4000)] ^= static_cast<uint8_t>(1 + x % 255);
    (void)restored(broken);
  }
}

BOOST_FIXTURE_TEST_CASE(shows_a_line_for_each_query_and_each_stream, DnsWorld) {
  ask(4000, dns_query(258, "WWW.example.com", 28));
  GuestStream stream(*this, 0);
  stream.write(framed(dns_query(2, "b.example", 1)));
  pass(500ms);
  std::string text;
  dns().dump(text, now);
  BOOST_TEST(text ==
             "dns udp 10.0.0.2:4000 id 258 www.example.com type 28 udp server 127.0.0.53:53 try "
             "1/4 timeout 1500ms\n"
             "dns tcp stream 0 id 2 b.example type 1 udp server 127.0.0.53:53 try 1/4 timeout "
             "1500ms\n"
             "dns stream 0 at 10.0.0.1:53 open asking 1 in 0B out 0B idle 500ms\n");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
