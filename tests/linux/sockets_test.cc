// What is Linux's own about the sockets, beyond the contract that the conformance suite holds.
#include "core/linux/sockets.hh"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>

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

BOOST_AUTO_TEST_CASE(nothing_is_adopted) {
  BOOST_TEST((sockets->adopt_stream(kFlow) == nullptr));
  BOOST_TEST((sockets->adopt_listener(kFlow) == nullptr));
  BOOST_TEST((sockets->adopt_datagram(kFlow) == nullptr));
  BOOST_TEST((sockets->adopt_echo(kFlow) == nullptr));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
