// Conformance cases for connections and listeners.
#pragma once

#include "tests/sim/sockets_conformance_scene.hh"

namespace dashi::conformance {

// --- How a connect ends ---

inline void expect_connect_failure(Scene& scene, const Endpoint& remote,
                                   std::initializer_list<SocketError> allowed) {
  const FlowId id = Scene::id(1);
  const auto socket = scene.connect(remote, id);
  SocketError error = scene.connect_error;
  if (socket != nullptr) {
    BOOST_REQUIRE(scene.eventually_event(id, Kind::kConnectFailed));
    error = scene.last(id, Kind::kConnectFailed)->error.error;
    BOOST_TEST((peek(*socket, 0, 1).error == error));
    const auto bytes = bytes_of("x");
    const auto written = write_once(*socket, bytes);
    BOOST_TEST((!written.ok() && written.error() == error));
    BOOST_TEST(scene.count(id, Kind::kConnected) == 0u);
  }
  BOOST_TEST((std::find(allowed.begin(), allowed.end(), error) != allowed.end()));
}

inline std::vector<Case> connect_cases() {
  return {
      {"connect_succeeds_with_an_event_and_never_before_the_call_returns",
       [](Scene& scene) {
         auto listener = scene.world.peer_listen(scene.family);
         const auto socket = scene.connect(listener->endpoint(), Scene::id(1));
         BOOST_REQUIRE(socket != nullptr);
         BOOST_TEST(scene.events.empty());
         BOOST_REQUIRE(scene.eventually_event(Scene::id(1), Kind::kConnected));
         BOOST_TEST(scene.count(Scene::id(1), Kind::kConnected) == 1u);
         BOOST_TEST(socket->local().port.number != 0);
       }},
      {"refused_connect_fails_as_refused_and_stays_so",
       [](Scene& scene) {
         expect_connect_failure(scene, scene.world.refusing(scene.family), {SocketError::kRefused});
       }},
      {"unreachable_connect_fails_as_unreachable",
       [](Scene& scene) {
         expect_connect_failure(scene, scene.world.unreachable(scene.family),
                                {SocketError::kHostUnreachable, SocketError::kNetworkUnreachable});
       }},
      {"unanswered_connect_times_out",
       [](Scene& scene) {
         expect_connect_failure(scene, scene.world.silent(scene.family), {SocketError::kTimedOut});
       }},
      {"peek_and_write_would_block_while_connecting",
       [](Scene& scene) {
         const auto socket = scene.connect(scene.world.silent(scene.family), Scene::id(1));
         BOOST_REQUIRE(socket != nullptr);
         const auto bytes = bytes_of("early");
         const auto written = write_once(*socket, bytes);
         BOOST_TEST((!written.ok() && written.error() == SocketError::kWouldBlock));
         BOOST_TEST((peek(*socket, 0, 1).error == SocketError::kWouldBlock));
       }},
  };
}

// --- Bytes ---

inline void peek_offsets_case(Scene& scene) {
  Pair pair = connected_pair(scene, 1);
  pair.peer->write(bytes_of("hello world"));
  BOOST_REQUIRE(eventually_readable(scene, *pair.socket, 11));
  BOOST_TEST(scene.count(pair.id, Kind::kReadable) >= 1u);
  BOOST_TEST((peek(*pair.socket, 0, 5).bytes == bytes_of("hello")));
  BOOST_TEST((peek(*pair.socket, 6, 100).bytes == bytes_of("world")));
  BOOST_TEST((peek(*pair.socket, 0, 100).bytes == bytes_of("hello world")));
  BOOST_TEST(!peek(*pair.socket, 0, 100).eof);
  pair.socket->consume(6);
  BOOST_TEST((peek(*pair.socket, 0, 100).bytes == bytes_of("world")));
  BOOST_TEST((peek(*pair.socket, 4, 100).bytes == bytes_of("d")));
}

inline void peek_past_the_end_case(Scene& scene) {
  Pair pair = connected_pair(scene, 1);
  BOOST_TEST((peek(*pair.socket, 0, 10).error == SocketError::kWouldBlock));
  pair.peer->write(bytes_of("12345"));
  BOOST_REQUIRE(eventually_readable(scene, *pair.socket, 5));
  BOOST_TEST((peek(*pair.socket, 5, 10).error == SocketError::kWouldBlock));
  BOOST_TEST((peek(*pair.socket, 9, 10).error == SocketError::kWouldBlock));
  BOOST_TEST((peek(*pair.socket, 0, 10).bytes == bytes_of("12345")));
}

inline void scatter_peek_case(Scene& scene) {
  Pair pair = connected_pair(scene, 1);
  pair.peer->write(bytes_of("abcdefghij"));
  BOOST_REQUIRE(eventually_readable(scene, *pair.socket, 10));
  std::array<uint8_t, 3> one{};
  std::array<uint8_t, 4> two{};
  std::array<uint8_t, 5> three{};
  const std::array<MutableBytes, 3> into{MutableBytes(one), MutableBytes(two), MutableBytes(three)};
  const auto peeked = pair.socket->peek(1, into);
  BOOST_REQUIRE(peeked.ok());
  BOOST_TEST(peeked->bytes == 9u);
  BOOST_TEST((std::string(one.begin(), one.end()) == "bcd"));
  BOOST_TEST((std::string(two.begin(), two.end()) == "efgh"));
  BOOST_TEST((std::string(three.begin(), three.begin() + 2) == "ij"));
}

inline void gathered_write_case(Scene& scene) {
  Pair pair = connected_pair(scene, 1);
  const auto a = bytes_of("one ");
  const auto b = bytes_of("two ");
  const auto c = bytes_of("three");
  const std::array<Bytes, 4> from{Bytes(a), Bytes(b), Bytes{}, Bytes(c)};
  const auto taken = pair.socket->write(from);
  BOOST_REQUIRE(taken.ok());
  BOOST_TEST(*taken == 13u);
  BOOST_REQUIRE(scene.eventually([&] { return pair.peer->received().size() >= 13; }));
  BOOST_TEST((pair.peer->received() == bytes_of("one two three")));
}

inline void bulk_both_ways_case(Scene& scene) {
  Pair pair = connected_pair(scene, 1);
  const auto up = pattern(600'000, 1);
  const auto down = pattern(500'000, 2);
  pair.peer->write(down);
  Bytes left = up;
  std::vector<uint8_t> got;
  const bool done = scene.eventually([&] {
    while (!left.empty()) {
      const auto taken = write_once(*pair.socket, left.first(std::min<size_t>(left.size(), 9000)));
      if (!taken.ok()) break;
      left = left.subspan(*taken);
    }
    for (;;) {
      const Seen seen = peek(*pair.socket, 0, 20'000);
      if (seen.bytes.empty()) break;
      got.insert(got.end(), seen.bytes.begin(), seen.bytes.end());
      pair.socket->consume(seen.bytes.size());
    }
    return got.size() >= down.size() && pair.peer->received().size() >= up.size();
  });
  BOOST_TEST(done);
  BOOST_TEST((got == down));
  BOOST_TEST((pair.peer->received() == up));
}

inline void short_write_edge_case(Scene& scene) {
  Pair pair = connected_pair(scene, 1);
  pair.peer->pause_reading(true);
  const auto chunk = pattern(64 * 1024, 3);
  size_t taken_total = 0;
  // A bounded send buffer: what a peer that does not read takes must end.
  bool full = false;
  for (int i = 0; i < 2000 && !full; ++i) {
    const auto taken = write_once(*pair.socket, chunk);
    if (taken.ok()) taken_total += *taken;
    if (taken.ok() && *taken == chunk.size()) continue;
    scene.settle();
    full = !write_once(*pair.socket, chunk).ok();
  }
  BOOST_REQUIRE(full);
  const size_t before = scene.count(pair.id, Kind::kWritable);
  pair.peer->pause_reading(false);
  BOOST_TEST(scene.eventually([&] { return scene.count(pair.id, Kind::kWritable) > before; }));
  BOOST_TEST(scene.eventually([&] { return write_once(*pair.socket, chunk).ok(); }));
  BOOST_TEST(scene.eventually([&] { return pair.peer->received().size() >= taken_total; }));
}

inline void readable_is_an_edge_case(Scene& scene) {
  Pair pair = connected_pair(scene, 1);
  pair.peer->write(bytes_of("a"));
  BOOST_REQUIRE(eventually_readable(scene, *pair.socket, 1));
  scene.settle();
  const size_t before = scene.count(pair.id, Kind::kReadable);
  BOOST_TEST(before >= 1u);
  scene.settle();  // unconsumed bytes are no reason to say it again and again
  BOOST_TEST(scene.count(pair.id, Kind::kReadable) == before);
  pair.peer->write(bytes_of("b"));
  BOOST_TEST(scene.eventually([&] { return scene.count(pair.id, Kind::kReadable) > before; }));
  BOOST_TEST((peek(*pair.socket, 0, 9).bytes == bytes_of("ab")));
}

inline void urgent_byte_case(Scene& scene) {
  Pair pair = connected_pair(scene, 1);
  pair.peer->write(bytes_of("abc"));
  pair.peer->write_urgent('d');
  pair.peer->write(bytes_of("ef"));
  BOOST_REQUIRE(eventually_readable(scene, *pair.socket, 6));
  BOOST_TEST((peek(*pair.socket, 0, 9).bytes == bytes_of("abcdef")));
  BOOST_TEST((peek(*pair.socket, 2, 9).bytes == bytes_of("cdef")));
  pair.socket->consume(5);  // over the mark
  BOOST_TEST((peek(*pair.socket, 0, 9).bytes == bytes_of("f")));
  pair.peer->write(bytes_of("gh"));
  BOOST_REQUIRE(eventually_readable(scene, *pair.socket, 3));
  BOOST_TEST((peek(*pair.socket, 0, 9).bytes == bytes_of("fgh")));
}

inline std::vector<Case> stream_cases() {
  return {
      {"peek_at_offsets_shows_the_same_bytes_until_they_are_consumed", peek_offsets_case},
      {"peek_past_the_end_would_block_while_more_may_come", peek_past_the_end_case},
      {"peek_scatters_over_several_areas", scatter_peek_case},
      {"write_gathers_several_areas", gathered_write_case},
      {"half_a_megabyte_goes_both_ways_unchanged", bulk_both_ways_case},
      {"a_writable_edge_follows_a_write_that_fell_short", short_write_edge_case},
      {"readable_is_an_edge_and_comes_again_with_new_bytes", readable_is_an_edge_case},
      {"an_urgent_byte_is_in_its_place_and_consume_goes_across_it", urgent_byte_case},
  };
}

// --- How connections end ---

inline void eof_with_data_left_case(Scene& scene) {
  Pair pair = connected_pair(scene, 1);
  pair.peer->write(bytes_of("0123456789"));
  pair.peer->shutdown_write();
  BOOST_REQUIRE(scene.eventually([&] { return peek(*pair.socket, 10, 10).eof; }));
  const Seen part = peek(*pair.socket, 0, 4);
  BOOST_TEST(part.bytes.size() == 4u);
  BOOST_TEST(!part.eof);  // FIN does not follow these bytes directly
  BOOST_TEST((peek(*pair.socket, 0, 100).bytes == bytes_of("0123456789")));
  const Seen end = peek(*pair.socket, 10, 10);
  BOOST_TEST(end.bytes.empty());
  BOOST_TEST(end.eof);
  pair.socket->consume(10);
  const Seen after = peek(*pair.socket, 0, 10);
  BOOST_TEST(after.bytes.empty());
  BOOST_TEST(after.eof);
}

inline void peer_closes_first_case(Scene& scene) {
  Pair pair = connected_pair(scene, 1);
  pair.peer->shutdown_write();
  BOOST_REQUIRE(scene.eventually([&] { return peek(*pair.socket, 0, 1).eof; }));
  const auto bytes = pattern(100'000, 4);
  BOOST_REQUIRE(write_all(scene, *pair.socket, bytes));
  pair.socket->shutdown_write();
  BOOST_REQUIRE(scene.eventually([&] { return pair.peer->saw_eof(); }));
  BOOST_TEST((pair.peer->received() == bytes));
  BOOST_TEST(!pair.peer->saw_reset());
}

inline void we_close_first_case(Scene& scene) {
  Pair pair = connected_pair(scene, 1);
  BOOST_REQUIRE(write_all(scene, *pair.socket, bytes_of("request")));
  pair.socket->shutdown_write();
  BOOST_REQUIRE(scene.eventually([&] { return pair.peer->saw_eof(); }));
  BOOST_TEST((pair.peer->received() == bytes_of("request")));
  const auto late = write_once(*pair.socket, bytes_of("late"));
  BOOST_TEST((!late.ok() && late.error() == SocketError::kClosed));
  const auto bytes = pattern(50'000, 5);
  pair.peer->write(bytes);
  pair.peer->shutdown_write();
  std::vector<uint8_t> got;
  BOOST_REQUIRE(scene.eventually([&] {
    const Seen seen = peek(*pair.socket, 0, 20'000);
    got.insert(got.end(), seen.bytes.begin(), seen.bytes.end());
    if (!seen.bytes.empty()) pair.socket->consume(seen.bytes.size());
    return seen.bytes.empty() && seen.eof;
  }));
  BOOST_TEST((got == bytes));
  BOOST_TEST(!pair.peer->saw_reset());
}

inline void close_never_resets_case(Scene& scene) {
  Pair pair = connected_pair(scene, 1);
  pair.peer->write(bytes_of("all of it"));
  BOOST_REQUIRE(eventually_readable(scene, *pair.socket, 9));
  pair.socket->consume(9);
  BOOST_REQUIRE(write_all(scene, *pair.socket, bytes_of("and back")));
  BOOST_REQUIRE(scene.eventually([&] { return pair.peer->received().size() == 8; }));
  pair.socket.reset();
  BOOST_REQUIRE(scene.eventually([&] { return pair.peer->saw_eof() || pair.peer->saw_reset(); }));
  pair.peer->shutdown_write();
  scene.settle();
  BOOST_TEST(pair.peer->saw_eof());
  BOOST_TEST(!pair.peer->saw_reset());
}

inline void close_sends_what_was_written_case(Scene& scene) {
  Pair pair = connected_pair(scene, 1);
  pair.peer->pause_reading(true);
  const auto bytes = pattern(30'000, 6);
  BOOST_REQUIRE(write_all(scene, *pair.socket, bytes));
  pair.socket.reset();
  scene.settle();
  pair.peer->pause_reading(false);
  BOOST_REQUIRE(scene.eventually([&] { return pair.peer->saw_eof() || pair.peer->saw_reset(); }));
  BOOST_TEST((pair.peer->received() == bytes));
  BOOST_TEST(!pair.peer->saw_reset());
}

inline void reset_with_data_unread_case(Scene& scene) {
  Pair pair = connected_pair(scene, 1);
  pair.peer->write(bytes_of("never read"));
  BOOST_REQUIRE(eventually_readable(scene, *pair.socket, 10));
  const size_t before = scene.count(pair.id, Kind::kReadable);
  pair.peer->abort();
  BOOST_TEST(scene.eventually([&] { return scene.count(pair.id, Kind::kReadable) > before; }));
  BOOST_TEST((eventual_error(scene, *pair.socket) == SocketError::kReset));
  for (int i = 0; i < 4; ++i) {
    BOOST_TEST((peek(*pair.socket, 0, 10).error == SocketError::kReset));
    const auto written = write_once(*pair.socket, bytes_of("x"));
    BOOST_TEST((!written.ok() && written.error() == SocketError::kReset));
    scene.step();
  }
}

inline void error_taken_by_write_case(Scene& scene) {
  Pair pair = connected_pair(scene, 1);
  pair.peer->abort();
  std::optional<SocketError> error;
  BOOST_REQUIRE(scene.eventually([&] {
    const auto written = write_once(*pair.socket, bytes_of("x"));
    if (!written.ok() && written.error() != SocketError::kWouldBlock) error = written.error();
    return error.has_value();
  }));
  BOOST_TEST((error == SocketError::kReset));
  for (int i = 0; i < 3; ++i) BOOST_TEST((peek(*pair.socket, 0, 10).error == error));
  const Seen seen = peek(*pair.socket, 0, 10);
  BOOST_TEST(!seen.eof);  // an abort never looks like a FIN
}

inline void our_abort_case(Scene& scene) {
  Pair pair = connected_pair(scene, 1);
  BOOST_REQUIRE(write_all(scene, *pair.socket, bytes_of("some")));
  BOOST_REQUIRE(scene.eventually([&] { return pair.peer->received().size() == 4; }));
  pair.socket->abort();
  const Seen seen = peek(*pair.socket, 0, 10);
  BOOST_TEST((seen.error.has_value() && *seen.error != SocketError::kWouldBlock));
  BOOST_REQUIRE(scene.eventually([&] { return pair.peer->saw_reset(); }));
  BOOST_TEST(!pair.peer->saw_eof());
}

inline std::vector<Case> close_cases() {
  return {
      {"eof_follows_the_last_byte_and_bytes_before_it_stay_peekable", eof_with_data_left_case},
      {"after_the_peers_fin_we_still_write", peer_closes_first_case},
      {"after_our_fin_we_still_read", we_close_first_case},
      {"closing_after_all_bytes_were_consumed_never_sends_a_reset", close_never_resets_case},
      {"closing_still_delivers_what_was_written", close_sends_what_was_written_case},
      {"a_reset_with_data_unread_is_a_reset_for_ever", reset_with_data_unread_case},
      {"an_error_taken_by_write_is_given_to_peek_as_well", error_taken_by_write_case},
      {"our_abort_is_a_reset_at_the_peer", our_abort_case},
  };
}

}  // namespace dashi::conformance
