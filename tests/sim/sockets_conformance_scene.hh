// What conformance cases are written with: waiting by steps, an event log, whole reads and writes.
#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <functional>

#include "tests/sim/sockets_under_test.hh"

namespace dashi::conformance {

using Kind = SocketEvent::Kind;

inline std::vector<uint8_t> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

inline std::vector<uint8_t> pattern(size_t n, uint32_t salt) {
  std::vector<uint8_t> bytes(n);
  uint32_t x = salt * 2654435761u + 1;
  for (uint8_t& byte : bytes) {
    x = x * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(x >> 24);
  }
  return bytes;
}

// One case's view of the backend. Remembers every event; a case asks what came.
class Scene {
 public:
  Scene(SocketsUnderTest& backend, Family ip) : world(backend), family(ip) {}

  SocketsUnderTest& world;
  Family family;
  std::vector<SocketEvent> events;

  static FlowId id(uint32_t slot) { return FlowId{FlowKind::kTcp, slot, 1}; }
  Sockets& sockets() { return world.sockets(); }

  void step() { world.step(events); }
  // Steps until `done` holds; false when patience ran out.
  bool eventually(const std::function<bool()>& done) {
    // A step before the first look: on a fast backend bytes are there before their event is.
    for (int i = 0; i < world.patience(); ++i) {
      step();
      if (done()) return true;
    }
    return false;
  }
  // Time for whatever should not happen to happen.
  void settle() {
    for (int i = 0; i < 6; ++i) step();
  }

  size_t count(FlowId flow, Kind kind) const {
    return static_cast<size_t>(std::count_if(
        events.begin(), events.end(),
        [&](const SocketEvent& event) { return event.id == flow && event.kind == kind; }));
  }
  const SocketEvent* last(FlowId flow, Kind kind) const {
    for (auto it = events.rbegin(); it != events.rend(); ++it) {
      if (it->id == flow && it->kind == kind) return &*it;
    }
    return nullptr;
  }
  bool eventually_event(FlowId flow, Kind kind) {
    return eventually([&] { return count(flow, kind) != 0; });
  }

  // Begins to connect; null when the backend refused at once, with `error` set.
  std::unique_ptr<StreamSocket> connect(const Endpoint& remote, FlowId flow) {
    auto begun = sockets().connect(remote, ConnectOptions{}, flow);
    if (begun.ok()) return std::move(begun.value());
    connect_error = begun.error();
    return nullptr;
  }
  SocketError connect_error = SocketError::kOther;
};

// A connection from the sockets under test to the peer, both ends in hand.
struct Pair {
  std::unique_ptr<PeerListener> listener;
  std::unique_ptr<StreamSocket> socket;
  std::unique_ptr<PeerStream> peer;
  FlowId id;
};

inline Pair connected_pair(Scene& scene, uint32_t slot) {
  Pair pair;
  pair.id = Scene::id(slot);
  pair.listener = scene.world.peer_listen(scene.family);
  pair.socket = scene.connect(pair.listener->endpoint(), pair.id);
  BOOST_REQUIRE(pair.socket != nullptr);
  BOOST_REQUIRE(scene.eventually_event(pair.id, Kind::kConnected));
  BOOST_REQUIRE(scene.eventually([&] {
    pair.peer = pair.listener->accept();
    return pair.peer != nullptr;
  }));
  return pair;
}

inline Result<size_t, SocketError> write_once(StreamSocket& socket, Bytes bytes) {
  return socket.write(std::span<const Bytes>(&bytes, 1));
}

// Writes all, stepping while the socket would block.
inline bool write_all(Scene& scene, StreamSocket& socket, Bytes bytes) {
  return scene.eventually([&] {
    while (!bytes.empty()) {
      const auto taken = write_once(socket, bytes);
      if (!taken.ok()) return false;
      bytes = bytes.subspan(*taken);
    }
    return true;
  });
}

struct Seen {
  std::vector<uint8_t> bytes;
  bool eof = false;
  std::optional<SocketError> error;
};

// What one peek of up to `room` bytes at `offset` shows.
inline Seen peek(StreamSocket& socket, size_t offset, size_t room) {
  Seen seen;
  seen.bytes.resize(room);
  const MutableBytes into(seen.bytes);
  const auto peeked = socket.peek(offset, std::span<const MutableBytes>(&into, 1));
  seen.bytes.resize(peeked.ok() ? peeked->bytes : 0);
  seen.eof = peeked.ok() && peeked->eof;
  if (!peeked.ok()) seen.error = peeked.error();
  return seen;
}

// Steps until a peek at 0 shows `n` bytes at least.
inline bool eventually_readable(Scene& scene, StreamSocket& socket, size_t n) {
  return scene.eventually([&] { return peek(socket, 0, n).bytes.size() == n; });
}

// Steps until a peek gives an error other than kWouldBlock, and gives that error.
inline std::optional<SocketError> eventual_error(Scene& scene, StreamSocket& socket) {
  std::optional<SocketError> error;
  scene.eventually([&] {
    error = peek(socket, 0, 1).error;
    return error.has_value() && *error != SocketError::kWouldBlock;
  });
  return error;
}

struct Case {
  const char* name;
  void (*run)(Scene&);
};

}  // namespace dashi::conformance

BOOST_TEST_DONT_PRINT_LOG_VALUE(dashi::SocketError)
BOOST_TEST_DONT_PRINT_LOG_VALUE(std::optional<dashi::SocketError>)
