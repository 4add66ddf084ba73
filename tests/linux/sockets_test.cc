// What is Linux's own about the sockets, beyond the contract that the conformance suite holds.
#include "core/linux/sockets.hh"

#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <cstring>

#include "core/linux/datagram_scratch.hh"
#include "core/linux/sockaddr.hh"
#include "tests/linux/network_namespace.hh"

namespace dashi {
namespace {

const bool in_namespace = [] {
  test::enter_network_namespace();
  return true;
}();

constexpr FlowId kListener{FlowKind::kTcpForward, 0, 1};
constexpr FlowId kFlow{FlowKind::kTcp, 0, 1};
const IpAddress kLoopback = Ipv4Address{{127, 0, 0, 1}};

struct Fixture {
  std::unique_ptr<LinuxSockets> sockets = LinuxSockets::create({});

  // Events until one of that kind came.
  bool eventually(SocketEvent::Kind kind) {
    for (int i = 0; i < 2000; ++i) {
      pollfd p{sockets->epoll_fd(), POLLIN, 0};
      ::poll(&p, 1, 5);
      sockets->poll();
      for (const SocketEvent& event : sockets->take_events()) {
        if (event.kind == kind) return true;
      }
    }
    return false;
  }
  static Fd peer(const Endpoint& to) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SockAddr address = to_sockaddr(to);
    BOOST_REQUIRE(::connect(fd.get(), address.get(), address.size) == 0);
    return fd;
  }
};

constexpr FlowId kDatagram{FlowKind::kUdp, 0, 1};

// A UDP socket of the peer's on loopback.
struct UdpPeer {
  Fd fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  Endpoint endpoint;

  UdpPeer() {
    const SockAddr any = to_sockaddr({kLoopback, {}});
    BOOST_REQUIRE(::bind(fd.get(), any.get(), any.size) == 0);
    endpoint = local_endpoint(fd.get());
  }
  // Sizes of what one call receives; joined ones as the kernel joined them.
  std::vector<size_t> received() {
    std::vector<size_t> sizes;
    std::vector<uint8_t> buffer(65536);
    while (true) {
      const ssize_t n = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
      if (n < 0) return sizes;
      sizes.push_back(static_cast<size_t>(n));
    }
  }
};

// Loopback's MTU while it lives.
struct LoopbackMtu {
  explicit LoopbackMtu(int mtu) { set(mtu); }
  ~LoopbackMtu() { set(65536); }
  static void set(int mtu) {
    const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_mtu = mtu;
    BOOST_REQUIRE(::ioctl(fd.get(), SIOCSIFMTU, &request) == 0);
  }
};

std::vector<OutDatagram> row_of(const Endpoint& to, Bytes payload, size_t count) {
  OutDatagram one;
  one.remote = to;
  one.payload = payload;
  one.ttl = 63;
  return std::vector<OutDatagram>(count, one);
}

// Nothing that is sent on loopback arrives while it lives.
struct LoopbackDown {
  LoopbackDown() { set(false); }
  ~LoopbackDown() { set(true); }
  static void set(bool up) {
    const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = static_cast<short>(up ? IFF_UP : 0);
    BOOST_REQUIRE(::ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0);
  }
};

// No descriptor is left while it lives.
struct NoDescriptors {
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before);
    const int probe = ::dup(0);
    ::close(probe);
    rlimit none = before;
    none.rlim_cur = static_cast<rlim_t>(probe);
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before); }
  rlimit before{};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(linux_sockets, Fixture)

BOOST_AUTO_TEST_CASE(a_listener_outlives_a_want_of_descriptors) {
  auto listener = sockets->listen({kLoopback, {}}, kListener);
  BOOST_REQUIRE(listener.ok());
  const Fd waiting = peer((*listener)->local());
  BOOST_REQUIRE(eventually(SocketEvent::Kind::kAcceptable));
  {
    const NoDescriptors none;
    const auto refused = (*listener)->accept(kFlow);
    BOOST_REQUIRE(!refused.ok());
    BOOST_TEST((refused.error() == SocketError::kTooManySockets));
  }
  const auto accepted = (*listener)->accept(kFlow);
  BOOST_REQUIRE(accepted.ok());  // the same connection: it waited
  BOOST_TEST((accepted->remote == local_endpoint(waiting.get())));
}

BOOST_AUTO_TEST_CASE(without_descriptors_every_call_says_too_many_sockets) {
  const NoDescriptors none;
  const Endpoint any{kLoopback, {9}};
  BOOST_TEST((sockets->connect(any, {}, kFlow).error() == SocketError::kTooManySockets));
  BOOST_TEST((sockets->listen(any, kListener).error() == SocketError::kTooManySockets));
  BOOST_TEST((sockets->open_datagram(any, kFlow).error() == SocketError::kTooManySockets));
  BOOST_TEST((sockets->open_echo(Family::kIpv4, kFlow).error() == SocketError::kTooManySockets));
  BOOST_TEST(sockets->open_sockets() == 0u);
}

BOOST_AUTO_TEST_CASE(an_event_of_a_socket_that_is_gone_finds_nobody) {
  auto listener = sockets->listen({kLoopback, {}}, kListener);
  BOOST_REQUIRE(listener.ok());
  const Fd waiting = peer((*listener)->local());
  auto accepted = (*listener)->accept(kFlow);
  BOOST_REQUIRE(accepted.ok());
  const uint8_t byte = 1;
  BOOST_REQUIRE(::send(waiting.get(), &byte, 1, 0) == 1);
  accepted.value().socket.reset();
  listener.value().reset();
  BOOST_TEST(sockets->open_sockets() == 0u);
  sockets->poll();
  BOOST_TEST(!sockets->has_events());
}

BOOST_AUTO_TEST_CASE(ttl_and_tos_of_a_connect_are_the_sockets) {
  auto listener = sockets->listen({kLoopback, {}}, kListener);
  BOOST_REQUIRE(listener.ok());
  const int before = ::dup(0);  // the descriptor that connect will get
  ::close(before);
  auto stream = sockets->connect((*listener)->local(), {{}, 42, 0x28}, kFlow);
  BOOST_REQUIRE(stream.ok());
  int ttl = 0;
  int tos = 0;
  socklen_t size = sizeof ttl;
  BOOST_TEST(::getsockopt(before, IPPROTO_IP, IP_TTL, &ttl, &size) == 0);
  BOOST_TEST(::getsockopt(before, IPPROTO_IP, IP_TOS, &tos, &size) == 0);
  BOOST_TEST(ttl == 42);
  BOOST_TEST(tos == 0x28);
}

BOOST_AUTO_TEST_CASE(info_tells_what_waits_unsent_and_unacknowledged) {
  auto listener = sockets->listen({kLoopback, {}}, kListener);
  BOOST_REQUIRE(listener.ok());
  const Fd waiting = peer((*listener)->local());
  BOOST_REQUIRE(eventually(SocketEvent::Kind::kAcceptable));
  auto accepted = (*listener)->accept(kFlow);
  BOOST_REQUIRE(accepted.ok());
  StreamSocket& stream = *accepted->socket;
  BOOST_TEST(stream.info().unsent_bytes == 0u);
  const std::vector<uint8_t> chunk(65536, 1);
  const Bytes bytes(chunk);
  // The peer does not read: its window closes, then TCP_NOTSENT_LOWAT ends what write takes.
  for (int i = 0; i < 1000 && stream.write(std::span(&bytes, 1)).ok(); ++i) {
  }
  BOOST_TEST(stream.info().unsent_bytes > 0u);
  BOOST_TEST(stream.info().cwnd_bytes > 0u);
}

BOOST_AUTO_TEST_CASE(like_datagrams_of_a_batch_leave_as_one_super_datagram) {
  UdpPeer peer;
  request_coalescing(peer.fd.get());  // so that the peer sees what left, uncut
  auto socket = sockets->open_datagram({Ipv4Address{}, {}}, kDatagram);
  BOOST_REQUIRE(socket.ok());
  const std::vector<uint8_t> payload(1000, 7);
  auto row = row_of(peer.endpoint, payload, 10);
  row.back().payload = Bytes(payload).first(10);
  row.push_back(row.front());
  row.back().tos = 0x28;
  const auto sent = (*socket)->send(row);
  BOOST_REQUIRE(sent.ok());
  BOOST_TEST(*sent == 11u);
  BOOST_TEST((peer.received() == std::vector<size_t>{9010, 1000}));
}

BOOST_AUTO_TEST_CASE(a_row_longer_than_64_kib_leaves_in_parts) {
  UdpPeer peer;
  const int room = 1 << 20;
  ::setsockopt(peer.fd.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  auto socket = sockets->open_datagram({Ipv4Address{}, {}}, kDatagram);
  BOOST_REQUIRE(socket.ok());
  const std::vector<uint8_t> payload(1472, 7);
  const auto sent = (*socket)->send(row_of(peer.endpoint, payload, 64));
  BOOST_REQUIRE(sent.ok());
  BOOST_TEST(*sent == 64u);
  BOOST_TEST((peer.received() == std::vector<size_t>(64, 1472)));
}

BOOST_AUTO_TEST_CASE(what_the_path_cannot_carry_whole_leaves_one_by_one) {
  const LoopbackMtu mtu(1500);
  UdpPeer peer;
  auto socket = sockets->open_datagram({Ipv4Address{}, {}}, kDatagram);
  BOOST_REQUIRE(socket.ok());
  const std::vector<uint8_t> payload(3000, 7);
  for (int again = 0; again < 2; ++again) {
    const auto sent = (*socket)->send(row_of(peer.endpoint, payload, 5));
    BOOST_REQUIRE(sent.ok());
    BOOST_TEST(*sent == 5u);
    BOOST_TEST((peer.received() == std::vector<size_t>(5, 3000)));
  }
  // With DF each of them is too long, and the first that is says so with the MTU.
  auto row = row_of(peer.endpoint, payload, 2);
  for (OutDatagram& one : row) one.dont_fragment = true;
  const auto sent = (*socket)->send(row);
  BOOST_REQUIRE(!sent.ok());
  BOOST_TEST((sent.error() == SocketError::kMessageTooLong));
  bool told = false;
  for (const SocketEvent& event : sockets->take_events()) {
    if (event.kind != SocketEvent::Kind::kNetError) continue;
    told = true;
    BOOST_TEST((event.error.error == SocketError::kMessageTooLong));
    BOOST_TEST(event.error.mtu == 1500u);
    BOOST_TEST((event.error.original_remote == peer.endpoint));
  }
  BOOST_TEST(told);
}

BOOST_AUTO_TEST_CASE(peers_that_are_gone_are_noticed_connected_or_accepted) {
  sockets = LinuxSockets::create({.keep_alive = {1s, 1s, 1}});
  auto listener = sockets->listen({kLoopback, {}}, kListener);
  BOOST_REQUIRE(listener.ok());
  const auto connected = sockets->connect((*listener)->local(), {}, kFlow);
  BOOST_REQUIRE(connected.ok());
  BOOST_REQUIRE(eventually(SocketEvent::Kind::kAcceptable));
  const auto accepted = (*listener)->accept({FlowKind::kTcp, 1, 1});
  BOOST_REQUIRE(accepted.ok());
  uint8_t byte = 0;
  const MutableBytes into(&byte, 1);
  sockets->poll();
  const LoopbackDown down;
  for (StreamSocket* stream : {connected->get(), accepted->socket.get()}) {
    while (stream->peek(0, {&into, 1}).error() == SocketError::kWouldBlock) {
      BOOST_REQUIRE(eventually(SocketEvent::Kind::kReadable));
    }
    BOOST_TEST((stream->peek(0, {&into, 1}).error() == SocketError::kTimedOut));
  }
}

BOOST_AUTO_TEST_CASE(many_connections_peek_from_rings_within_one_budget_and_all_go_on) {
  sockets = LinuxSockets::create(
      {.force_ring = true, .echo_id_base = 0, .ring_bytes_total = size_t{64} << 10});
  auto listener = sockets->listen({kLoopback, {}}, kListener);
  BOOST_REQUIRE(listener.ok());
  constexpr size_t kEach = 200'000;
  const std::vector<uint8_t> sent(kEach, 'x');
  std::vector<uint8_t> room(kEach);
  const MutableBytes into(room);
  std::vector<Fd> peers;
  std::vector<std::unique_ptr<StreamSocket>> streams;
  for (uint32_t i = 0; i < 8; ++i) {
    peers.push_back(peer((*listener)->local()));
    BOOST_REQUIRE(::send(peers.back().get(), sent.data(), kEach, 0) == ssize_t{kEach});
    auto accepted = (*listener)->accept({FlowKind::kTcp, i, 1});
    BOOST_REQUIRE(accepted.ok());
    streams.push_back(std::move(accepted->socket));
  }
  // None of which is consumed: what the rings hold is what peek finds.
  size_t held = 0;
  for (const auto& stream : streams) held += stream->peek(0, {&into, 1})->bytes;
  BOOST_TEST(held <= (size_t{64} << 10) + 8 * PeekRing::kMinBytes);
  for (const auto& stream : streams) {
    size_t got = 0;
    while (got < kEach) {
      const auto peeked = stream->peek(0, {&into, 1});
      BOOST_REQUIRE(peeked.ok());
      BOOST_REQUIRE(peeked->bytes >= std::min(PeekRing::kMinBytes, kEach - got));
      stream->consume(peeked->bytes);
      got += peeked->bytes;
    }
    BOOST_TEST(got == kEach);
  }
}

BOOST_AUTO_TEST_CASE(what_came_to_a_broadcast_address_is_answered) {
  const auto socket = sockets->open_datagram({Ipv4Address{}, {}}, kDatagram);
  BOOST_REQUIRE(socket.ok());
  UdpPeer peer;
  const int on = 1;
  ::setsockopt(peer.fd.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
  const SockAddr everybody =
      to_sockaddr({Ipv4Address{{127, 255, 255, 255}}, (*socket)->local().port});
  BOOST_REQUIRE(::sendto(peer.fd.get(), "?", 1, 0, everybody.get(), everybody.size) == 1);
  BOOST_REQUIRE(eventually(SocketEvent::Kind::kReadable));
  uint8_t byte = 0;
  InDatagram in;
  in.buffer = MutableBytes(&byte, 1);
  const auto received = (*socket)->receive({&in, 1});
  BOOST_REQUIRE((received.ok() && *received == 1u));
  BOOST_TEST((in.local.address == kLoopback));
  OutDatagram out;
  out.remote = in.remote;
  out.local = in.local.address;
  out.payload = Bytes(&byte, 1);
  const auto sent = (*socket)->send({&out, 1});
  BOOST_REQUIRE((sent.ok() && *sent == 1u));
  BOOST_TEST((peer.received() == std::vector<size_t>{1}));
}

BOOST_AUTO_TEST_CASE(nothing_is_adopted) {
  BOOST_TEST((sockets->adopt_stream(kFlow) == nullptr));
  BOOST_TEST((sockets->adopt_listener(kFlow) == nullptr));
  BOOST_TEST((sockets->adopt_datagram(kFlow) == nullptr));
  BOOST_TEST((sockets->adopt_echo(kFlow) == nullptr));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
