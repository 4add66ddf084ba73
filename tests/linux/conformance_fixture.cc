#include "tests/linux/conformance_fixture.hh"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/if_tun.h>

#include <algorithm>
#include <cerrno>

#include "core/linux/datagram_scratch.hh"
#include "core/linux/fd.hh"
#include "core/linux/sockaddr.hh"
#include "tests/linux/network_namespace.hh"

namespace dashi::conformance {
namespace {

Endpoint loopback(Family family) {
  if (family == Family::kIpv4) return {Ipv4Address{{127, 0, 0, 1}}, {}};
  Ipv6Address one;
  one.bytes[15] = 1;
  return {one, {}};
}

Fd open_socket(Family family, int type) {
  return Fd(::socket(address_family(family), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

}  // namespace

// Keeps what could not be written yet; everything moves in pump(), which each accessor and each step
// of the fixture calls.
class LinuxPeerStream final : public PeerStream {
 public:
  LinuxPeerStream(Fd fd, std::vector<LinuxPeerStream*>& peers) : fd_(std::move(fd)), peers_(peers) {
    peers_.push_back(this);
  }
  ~LinuxPeerStream() override { peers_.erase(std::find(peers_.begin(), peers_.end(), this)); }

  bool connected() override {
    pollfd p{fd_.get(), POLLOUT, 0};
    return ::poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
  }
  void write(Bytes bytes) override {
    pending_.insert(pending_.end(), bytes.begin(), bytes.end());
    pump();
  }
  void write_urgent(uint8_t byte) override { ::send(fd_.get(), &byte, 1, MSG_OOB | MSG_NOSIGNAL); }
  void pause_reading(bool paused) override { paused_ = paused; }
  const std::vector<uint8_t>& received() override {
    pump();
    return received_;
  }
  bool saw_eof() override {
    pump();
    return eof_;
  }
  bool saw_reset() override {
    pump();
    return reset_;
  }
  void shutdown_write() override {
    shut_ = true;
    pump();
  }
  void close() override { fd_.reset(); }
  void abort() override {
    const linger now{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd_.reset();
  }
  Endpoint local() override { return local_endpoint(fd_.get()); }

  void pump() {
    while (fd_ && !pending_.empty()) {
      const ssize_t n = ::send(fd_.get(), pending_.data(), pending_.size(), MSG_NOSIGNAL);
      if (n <= 0) break;
      pending_.erase(pending_.begin(), pending_.begin() + n);
    }
    if (fd_ && shut_ && pending_.empty()) {
      ::shutdown(fd_.get(), SHUT_WR);
      shut_ = false;
    }
    while (fd_ && !paused_ && !eof_ && !reset_) {
      uint8_t buffer[65536];
      const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
      if (n > 0) received_.insert(received_.end(), buffer, buffer + n);
      if (n == 0) eof_ = true;
      if (n < 0 && errno != EAGAIN) reset_ = true;
      if (n < 0) break;
    }
  }

 private:
  Fd fd_;
  std::vector<LinuxPeerStream*>& peers_;
  std::vector<uint8_t> pending_;
  std::vector<uint8_t> received_;
  bool paused_ = false;
  bool shut_ = false;  // FIN is owed once all is written
  bool eof_ = false;
  bool reset_ = false;
};

namespace {

class LinuxPeerListener final : public PeerListener {
 public:
  LinuxPeerListener(Fd fd, std::vector<LinuxPeerStream*>& peers)
      : fd_(std::move(fd)), peers_(peers) {}
  Endpoint endpoint() override { return local_endpoint(fd_.get()); }
  std::unique_ptr<PeerStream> accept() override {
    Fd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return nullptr;
    return std::make_unique<LinuxPeerStream>(std::move(fd), peers_);
  }

 private:
  Fd fd_;
  std::vector<LinuxPeerStream*>& peers_;
};

class LinuxPeerDatagram final : public PeerDatagram {
 public:
  explicit LinuxPeerDatagram(Fd fd) : fd_(std::move(fd)) {}
  Endpoint endpoint() override { return local_endpoint(fd_.get()); }
  void send(const Endpoint& to, Bytes bytes) override {
    const SockAddr address = to_sockaddr(to);
    ::sendto(fd_.get(), bytes.data(), bytes.size(), 0, address.get(), address.size);
  }
  const std::vector<PeerReceived>& received() override {
    for (;;) {
      PeerReceived one;
      one.bytes.resize(65536);
      SockAddr from;
      iovec piece{one.bytes.data(), one.bytes.size()};
      DatagramScratch::Control control;
      msghdr message{};
      message.msg_name = from.get();
      message.msg_namelen = sizeof from.storage;
      message.msg_iov = &piece;
      message.msg_iovlen = 1;
      message.msg_control = control.bytes;
      message.msg_controllen = sizeof control.bytes;
      const ssize_t n = ::recvmsg(fd_.get(), &message, 0);
      if (n < 0) return received_;
      one.bytes.resize(static_cast<size_t>(n));
      one.from = from_sockaddr(from.storage);
      const ReceivedControl said = read_control(message);
      one.ttl = said.ttl;
      one.tos = said.tos;
      received_.push_back(std::move(one));
    }
  }

 private:
  Fd fd_;
  std::vector<PeerReceived> received_;
};

}  // namespace

LinuxFixture::LinuxFixture(bool force_ring) {
  make_conformance_network();
  sockets_ = LinuxSockets::create({.force_ring = force_ring, .echo_id_base = 0});
}

LinuxFixture::~LinuxFixture() = default;

void LinuxFixture::step(std::vector<SocketEvent>& events) {
  // Long enough that patience outlasts a connect that times out, cut short by any event.
  pollfd p{sockets_->epoll_fd(), POLLIN, 0};
  ::poll(&p, 1, 2);
  sockets_->poll();
  for (LinuxPeerStream* peer : peers_) peer->pump();
  const auto came = sockets_->take_events();
  events.insert(events.end(), came.begin(), came.end());
}

IpAddress LinuxFixture::here(Family family) { return loopback(family).address; }

std::unique_ptr<PeerListener> LinuxFixture::peer_listen(Family family) {
  Fd fd = open_socket(family, SOCK_STREAM);
  const SockAddr address = to_sockaddr(loopback(family));
  if (::bind(fd.get(), address.get(), address.size) != 0 || ::listen(fd.get(), 16) != 0) {
    return nullptr;
  }
  return std::make_unique<LinuxPeerListener>(std::move(fd), peers_);
}

std::unique_ptr<PeerStream> LinuxFixture::peer_connect(const Endpoint& to) {
  Fd fd = open_socket(to.address.family(), SOCK_STREAM);
  const SockAddr address = to_sockaddr(to);
  ::connect(fd.get(), address.get(), address.size);
  return std::make_unique<LinuxPeerStream>(std::move(fd), peers_);
}

std::unique_ptr<PeerDatagram> LinuxFixture::peer_datagram(Family family) {
  Fd fd = open_socket(family, SOCK_DGRAM);
  const SockAddr address = to_sockaddr(loopback(family));
  ::bind(fd.get(), address.get(), address.size);
  request_control(fd.get(), family);
  return std::make_unique<LinuxPeerDatagram>(std::move(fd));
}

Endpoint LinuxFixture::refusing(Family family) {
  // A port that was free a moment ago, and that nobody else in this namespace takes.
  return peer_datagram(family)->endpoint();
}

Endpoint LinuxFixture::unreachable(Family family) {
  const char* text = family == Family::kIpv4 ? "203.0.113.1" : "2001:db8:2::1";
  return {*parse_ip(text), {80}};
}

Endpoint LinuxFixture::silent(Family family) {
  const char* text = family == Family::kIpv4 ? "198.51.100.1" : "2001:db8:1::1";
  return {*parse_ip(text), {80}};
}

const char* LinuxFixture::unsupported(std::string_view /*case_name*/, Family /*family*/) {
  return nullptr;
}

void make_conformance_network() {
  static bool done = false;
  if (done) return;
  done = true;
  test::enter_network_namespace();
  // The default forbids ping sockets even to root.
  test::write_file("/proc/sys/net/ipv4/ping_group_range", "0 0");
  // A connect that nobody answers gives up after seconds, not minutes.
  test::write_file("/proc/sys/net/ipv4/tcp_syn_retries", "1");
  test::write_file("/proc/sys/net/ipv4/tcp_syn_linear_timeouts", "0");
  // A wire on which nobody listens: a TUN that is never read.
  const int fd = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  ifreq request{};
  request.ifr_name[0] = 'q';
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (fd < 0 || ::ioctl(fd, TUNSETIFF, &request) != 0) test::skip("no TUN device");
  test::run(
      "ip link set q up && ip addr add 198.51.100.2/24 dev q && "
      "ip -6 addr add 2001:db8:1::2/64 dev q nodad && "
      "ip route add unreachable 203.0.113.0/24 && ip -6 route add unreachable 2001:db8:2::/64");
}

}  // namespace dashi::conformance
