// Conformance cases for listeners, datagram sockets and echo sockets.
#pragma once

#include "tests/sim/sockets_conformance_scene.hh"

namespace dashi::conformance {

inline IpAddress any(Family family) {
  return family == Family::kIpv4 ? IpAddress(Ipv4Address{}) : IpAddress(Ipv6Address{});
}

// --- Listeners ---

inline void accept_until_would_block_case(Scene& scene) {
  const FlowId id{FlowKind::kTcpForward, 0, 1};
  auto listening = scene.sockets().listen({scene.world.here(scene.family), Port{0}}, id);
  BOOST_REQUIRE(listening.ok());
  Listener& listener = **listening;
  BOOST_REQUIRE(listener.local().port.number != 0);
  {
    const auto none = listener.accept(Scene::id(1));
    BOOST_TEST((!none.ok() && none.error() == SocketError::kWouldBlock));
  }
  const auto first = scene.world.peer_connect(listener.local());
  const auto second = scene.world.peer_connect(listener.local());
  BOOST_REQUIRE(scene.eventually([&] { return first->connected() && second->connected(); }));
  BOOST_TEST(scene.eventually_event(id, Kind::kAcceptable));
  auto one = listener.accept(Scene::id(1));
  auto two = listener.accept(Scene::id(2));
  const auto none = listener.accept(Scene::id(3));
  BOOST_REQUIRE((one.ok() && two.ok()));
  BOOST_TEST((!none.ok() && none.error() == SocketError::kWouldBlock));
  BOOST_TEST((one->local == listener.local()));
  const bool in_order = one->remote == first->local() && two->remote == second->local();
  const bool swapped = one->remote == second->local() && two->remote == first->local();
  BOOST_TEST((in_order || swapped));
  // Events of an accepted socket carry its own id, and it works like any other.
  (in_order ? first : second)->write(bytes_of("to the first"));
  BOOST_REQUIRE(eventually_readable(scene, *one->socket, 12));
  BOOST_TEST(scene.count(Scene::id(1), Kind::kReadable) >= 1u);
  BOOST_TEST(write_all(scene, *two->socket, bytes_of("hi")));
  BOOST_TEST(
      scene.eventually([&] { return (in_order ? second : first)->received() == bytes_of("hi"); }));
}

inline void accepted_data_case(Scene& scene) {
  const FlowId id{FlowKind::kTcpForward, 0, 1};
  auto listening = scene.sockets().listen({scene.world.here(scene.family), Port{0}}, id);
  BOOST_REQUIRE(listening.ok());
  const auto peer = scene.world.peer_connect((*listening)->local());
  peer->write(bytes_of("before accept"));
  peer->shutdown_write();
  BOOST_REQUIRE(scene.eventually_event(id, Kind::kAcceptable));
  scene.settle();
  auto accepted = (*listening)->accept(Scene::id(7));
  BOOST_REQUIRE(accepted.ok());
  // What came before the accept is announced after it.
  BOOST_TEST(scene.eventually_event(Scene::id(7), Kind::kReadable));
  BOOST_TEST((peek(*accepted->socket, 0, 99).bytes == bytes_of("before accept")));
  BOOST_TEST(scene.eventually([&] { return peek(*accepted->socket, 13, 99).eof; }));
}

inline std::vector<Case> listener_cases() {
  return {
      {"listening_on_port_0_chooses_a_port_and_accept_goes_on_until_would_block",
       accept_until_would_block_case},
      {"bytes_that_came_before_accept_are_readable_after_it", accepted_data_case},
      {"listening_twice_on_one_port_is_address_in_use",
       [](Scene& scene) {
         const IpAddress here = scene.world.here(scene.family);
         auto first = scene.sockets().listen({here, Port{0}}, {FlowKind::kTcpForward, 0, 1});
         BOOST_REQUIRE(first.ok());
         auto second = scene.sockets().listen((*first)->local(), {FlowKind::kTcpForward, 1, 1});
         BOOST_TEST((!second.ok() && second.error() == SocketError::kAddressInUse));
       }},
  };
}

// --- Datagrams ---

struct DatagramPair {
  std::unique_ptr<DatagramSocket> socket;
  std::unique_ptr<PeerDatagram> peer;
  FlowId id{FlowKind::kUdp, 0, 1};
};

inline DatagramPair datagram_pair(Scene& scene) {
  DatagramPair pair;
  auto opened = scene.sockets().open_datagram({any(scene.family), Port{0}}, pair.id);
  BOOST_REQUIRE(opened.ok());
  pair.socket = std::move(opened.value());
  pair.peer = scene.world.peer_datagram(scene.family);
  return pair;
}

inline bool send_one(DatagramSocket& socket, const Endpoint& to, Bytes payload) {
  OutDatagram out;
  out.remote = to;
  out.payload = payload;
  const auto sent = socket.send(std::span<const OutDatagram>(&out, 1));
  return sent.ok() && *sent == 1;
}

struct Got {
  std::vector<uint8_t> bytes;
  InDatagram head;
};

// One datagram, waiting for it, through a buffer of `room` bytes.
inline std::optional<Got> receive_one(Scene& scene, DatagramSocket& socket, size_t room) {
  Got got;
  got.bytes.resize(room);
  const bool came = scene.eventually([&] {
    got.head = InDatagram{};
    got.head.buffer = got.bytes;
    const auto received = socket.receive(std::span<InDatagram>(&got.head, 1));
    return received.ok() && *received == 1;
  });
  if (!came) return std::nullopt;
  got.bytes.resize(got.head.size);
  return got;
}

inline void datagrams_both_ways_case(Scene& scene) {
  DatagramPair pair = datagram_pair(scene);
  BOOST_REQUIRE(send_one(*pair.socket, pair.peer->endpoint(), bytes_of("ping")));
  BOOST_REQUIRE(scene.eventually([&] { return pair.peer->received().size() == 1; }));
  const PeerReceived& there = pair.peer->received()[0];
  BOOST_TEST((there.bytes == bytes_of("ping")));
  BOOST_TEST((there.from.port == pair.socket->local().port));
  pair.peer->send(there.from, bytes_of("pong!"));
  const auto back = receive_one(scene, *pair.socket, 100);
  BOOST_REQUIRE(back.has_value());
  BOOST_TEST(scene.count(pair.id, Kind::kReadable) >= 1u);
  BOOST_TEST((back->bytes == bytes_of("pong!")));
  BOOST_TEST((back->head.remote == pair.peer->endpoint()));
  BOOST_TEST(!back->head.truncated);
  const IpAddress local = back->head.local.address;
  BOOST_TEST((local.is_unspecified() || local == there.from.address));
}

inline void zero_length_case(Scene& scene) {
  DatagramPair pair = datagram_pair(scene);
  BOOST_REQUIRE(send_one(*pair.socket, pair.peer->endpoint(), Bytes{}));
  BOOST_REQUIRE(scene.eventually([&] { return pair.peer->received().size() == 1; }));
  BOOST_TEST(pair.peer->received()[0].bytes.empty());
  pair.peer->send(pair.peer->received()[0].from, Bytes{});
  const auto back = receive_one(scene, *pair.socket, 100);
  BOOST_REQUIRE(back.has_value());
  BOOST_TEST(back->bytes.empty());
}

inline void truncated_case(Scene& scene) {
  DatagramPair pair = datagram_pair(scene);
  BOOST_REQUIRE(send_one(*pair.socket, pair.peer->endpoint(), bytes_of("x")));
  BOOST_REQUIRE(scene.eventually([&] { return pair.peer->received().size() == 1; }));
  pair.peer->send(pair.peer->received()[0].from, bytes_of("0123456789"));
  pair.peer->send(pair.peer->received()[0].from, bytes_of("abcd"));
  const auto cut = receive_one(scene, *pair.socket, 4);
  BOOST_REQUIRE(cut.has_value());
  BOOST_TEST((cut->bytes == bytes_of("0123")));
  BOOST_TEST(cut->head.truncated);
  const auto whole = receive_one(scene, *pair.socket, 4);
  BOOST_REQUIRE(whole.has_value());
  BOOST_TEST((whole->bytes == bytes_of("abcd")));
  BOOST_TEST(!whole->head.truncated);
}

inline void batches_case(Scene& scene) {
  DatagramPair pair = datagram_pair(scene);
  const auto a = bytes_of("a");
  const auto b = bytes_of("bb");
  const auto c = bytes_of("ccc");
  std::array<OutDatagram, 3> out;
  const std::array<Bytes, 3> payloads{Bytes(a), Bytes(b), Bytes(c)};
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].remote = pair.peer->endpoint();
    out[i].payload = payloads[i];
  }
  std::span<const OutDatagram> left = out;
  BOOST_REQUIRE(scene.eventually([&] {
    const auto sent = pair.socket->send(left);
    if (sent.ok()) left = left.subspan(*sent);
    return left.empty();
  }));
  BOOST_REQUIRE(scene.eventually([&] { return pair.peer->received().size() == 3; }));
  for (size_t i = 0; i < 3; ++i) BOOST_TEST(pair.peer->received()[i].bytes.size() == i + 1);
  for (const Bytes payload : payloads) pair.peer->send(pair.peer->received()[0].from, payload);
  std::array<std::array<uint8_t, 8>, 4> room{};
  std::vector<size_t> sizes;
  BOOST_TEST(scene.eventually([&] {
    std::array<InDatagram, 4> in;
    for (size_t i = 0; i < in.size(); ++i) in[i].buffer = room[i];
    const auto received = pair.socket->receive(in);
    if (received.ok()) {
      for (size_t i = 0; i < *received; ++i) sizes.push_back(in[i].size);
    }
    return sizes.size() >= 3;
  }));
  BOOST_TEST((sizes == std::vector<size_t>{1, 2, 3}));
  std::array<uint8_t, 8> spare{};
  InDatagram in;
  in.buffer = spare;
  const auto none = pair.socket->receive(std::span<InDatagram>(&in, 1));
  BOOST_TEST((!none.ok() && none.error() == SocketError::kWouldBlock));
}

// Neighbours alike enough to be joined on the way, and some that are not.
inline void mixed_batch_case(Scene& scene) {
  DatagramPair pair = datagram_pair(scene);
  const auto other = scene.world.peer_datagram(scene.family);
  const auto payload = pattern(100, 6);
  const std::array<size_t, 12> sizes{100, 100, 100, 40, 100, 0, 100, 100, 60, 60, 100, 100};
  std::array<OutDatagram, sizes.size()> out;
  std::array<std::vector<size_t>, 2> expected;
  for (size_t i = 0; i < out.size(); ++i) {
    const bool elsewhere = i == 7 || i > 9;
    out[i].remote = elsewhere ? other->endpoint() : pair.peer->endpoint();
    out[i].payload = Bytes(payload).first(sizes[i]);
    expected[elsewhere ? 1 : 0].push_back(sizes[i]);
  }
  std::span<const OutDatagram> left = out;
  BOOST_REQUIRE(scene.eventually([&] {
    const auto sent = pair.socket->send(left);
    if (sent.ok()) left = left.subspan(*sent);
    return left.empty();
  }));
  const std::array<PeerDatagram*, 2> peers{pair.peer.get(), other.get()};
  for (size_t p = 0; p < 2; ++p) {
    BOOST_REQUIRE(
        scene.eventually([&] { return peers[p]->received().size() >= expected[p].size(); }));
    std::vector<size_t> got;
    for (const PeerReceived& one : peers[p]->received()) {
      got.push_back(one.bytes.size());
      BOOST_TEST(std::equal(one.bytes.begin(), one.bytes.end(), payload.begin()));
    }
    BOOST_TEST((got == expected[p]));
  }
}

inline void segmented_send_case(Scene& scene) {
  DatagramPair pair = datagram_pair(scene);
  const auto payload = pattern(250, 8);
  OutDatagram out;
  out.remote = pair.peer->endpoint();
  out.payload = payload;
  out.segment_size = 100;
  const auto sent = pair.socket->send(std::span<const OutDatagram>(&out, 1));
  BOOST_REQUIRE((sent.ok() && *sent == 1));
  BOOST_REQUIRE(scene.eventually([&] { return pair.peer->received().size() == 3; }));
  std::vector<uint8_t> joined;
  for (const PeerReceived& one : pair.peer->received()) {
    BOOST_TEST(one.bytes.size() == (joined.size() < 200 ? 100u : 50u));
    joined.insert(joined.end(), one.bytes.begin(), one.bytes.end());
  }
  BOOST_TEST((joined == payload));
}

inline void ttl_and_tos_case(Scene& scene) {
  DatagramPair pair = datagram_pair(scene);
  OutDatagram out;
  const auto payload = bytes_of("marked");
  out.remote = pair.peer->endpoint();
  out.payload = payload;
  out.ttl = 42;
  out.tos = 0x28;
  const auto sent = pair.socket->send(std::span<const OutDatagram>(&out, 1));
  BOOST_REQUIRE((sent.ok() && *sent == 1));
  BOOST_REQUIRE(scene.eventually([&] { return pair.peer->received().size() == 1; }));
  const PeerReceived& there = pair.peer->received()[0];
  if (there.ttl != 0) {
    BOOST_TEST(there.ttl <= 42);
    BOOST_TEST(there.ttl >= 32);  // less the hops of the backend's path
    BOOST_TEST(there.tos == 0x28);
  }
}

// More than IP can carry: refused at once, and told as a router further on would tell it.
inline void too_long_case(Scene& scene) {
  DatagramPair pair = datagram_pair(scene);
  const auto payload = pattern(65'600, 3);
  OutDatagram out;
  out.remote = pair.peer->endpoint();
  out.payload = payload;
  const auto sent = pair.socket->send(std::span<const OutDatagram>(&out, 1));
  BOOST_REQUIRE((!sent.ok() && sent.error() == SocketError::kMessageTooLong));
  BOOST_REQUIRE(scene.eventually_event(pair.id, Kind::kNetError));
  const NetError& error = scene.last(pair.id, Kind::kNetError)->error;
  BOOST_TEST((error.error == SocketError::kMessageTooLong));
  BOOST_TEST((error.original_remote == pair.peer->endpoint()));
  // The socket lives on.
  BOOST_TEST(send_one(*pair.socket, pair.peer->endpoint(), bytes_of("still here")));
  BOOST_TEST(scene.eventually([&] { return pair.peer->received().size() == 1; }));
}

inline void port_unreachable_case(Scene& scene) {
  DatagramPair pair = datagram_pair(scene);
  const Endpoint gone = scene.world.peer_datagram(scene.family)->endpoint();  // closed at once
  BOOST_REQUIRE(send_one(*pair.socket, gone, bytes_of("anyone?")));
  BOOST_REQUIRE(scene.eventually_event(pair.id, Kind::kNetError));
  const NetError& error = scene.last(pair.id, Kind::kNetError)->error;
  const bool v4 = scene.family == Family::kIpv4;
  BOOST_TEST((error.error == SocketError::kRefused));
  BOOST_TEST(int{error.icmp_type} == (v4 ? 3 : 1));
  BOOST_TEST(int{error.icmp_code} == (v4 ? 3 : 4));
  BOOST_TEST((error.original_remote == gone));
  BOOST_TEST((error.reporter == gone.address));
  // The socket lives on.
  BOOST_TEST(send_one(*pair.socket, pair.peer->endpoint(), bytes_of("still here")));
  BOOST_TEST(scene.eventually([&] { return pair.peer->received().size() == 1; }));
}

inline void echo_case(Scene& scene) {
  const FlowId id{FlowKind::kEcho, 0, 1};
  auto opened = scene.sockets().open_echo(scene.family, id);
  BOOST_REQUIRE(opened.ok());
  const IpAddress target = scene.world.echoing(scene.family);
  const auto payload = pattern(56, 9);
  for (uint16_t sequence = 1; sequence <= 2; ++sequence) {
    OutEcho out;
    out.remote = target;
    out.sequence = sequence;
    out.payload = payload;
    const auto sent = (*opened)->send(std::span<const OutEcho>(&out, 1));
    BOOST_REQUIRE((sent.ok() && *sent == 1));
    std::array<uint8_t, 200> room{};
    InEcho in;
    BOOST_REQUIRE(scene.eventually([&] {
      in = InEcho{};
      in.buffer = room;
      const auto received = (*opened)->receive(std::span<InEcho>(&in, 1));
      return received.ok() && *received == 1;
    }));
    BOOST_TEST(in.sequence == sequence);
    BOOST_TEST((in.remote == target));
    BOOST_TEST((std::vector<uint8_t>(room.begin(), room.begin() + 56) == payload));
    BOOST_TEST(in.size == payload.size());
  }
  BOOST_TEST(scene.count(id, Kind::kReadable) >= 1u);
}

inline std::vector<Case> datagram_cases() {
  return {
      {"datagrams_go_both_ways_with_their_addresses", datagrams_both_ways_case},
      {"a_zero_length_datagram_is_a_datagram", zero_length_case},
      {"a_datagram_longer_than_the_buffer_is_cut_and_says_so", truncated_case},
      {"batches_keep_their_order_and_receive_ends_with_would_block", batches_case},
      {"a_batch_of_mixed_datagrams_arrives_one_by_one", mixed_batch_case},
      {"a_segmented_send_arrives_as_single_datagrams", segmented_send_case},
      {"ttl_and_tos_leave_as_given", ttl_and_tos_case},
      {"a_datagram_too_long_for_ip_is_refused_and_told", too_long_case},
      {"port_unreachable_is_an_event_and_the_socket_lives_on", port_unreachable_case},
      {"echo_requests_are_answered_with_payload_and_sequence", echo_case},
  };
}

}  // namespace dashi::conformance
