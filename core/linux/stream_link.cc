#include "core/linux/stream_link.hh"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "core/linux/sockaddr.hh"

namespace dashi {
namespace {

constexpr size_t kPrefix = sizeof(Be32);
constexpr size_t kFrameMax = 65535 + 14 + 4;
constexpr size_t kFramesPerTurn = 64;
constexpr size_t kSlotsMax = 128;  // a packet of 64 KiB in fragments, also at an MTU of 576
constexpr size_t kReadBytes = size_t{512} << 10;  // holds more than one frame of the greatest size
// A TCP guest that is silent for these, or does not acknowledge for that long, is gone.
constexpr int kSilentSeconds = 10;
constexpr int kProbeSeconds = 5;
constexpr int kProbes = 3;
constexpr int kUnheardMs = 30'000;
constexpr size_t kQueueBytes = size_t{1} << 20;

Result<SockAddr, SystemError> unix_address(const std::string& path) {
  SockAddr out;
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  if (path.size() >= sizeof un.sun_path) return SystemError{"path too long: " + path, 0};
  std::memcpy(un.sun_path, path.data(), path.size());
  std::memcpy(&out.storage, &un, sizeof un);
  out.size = sizeof un;
  return out;
}

// A socket nobody listens on any more is in the way; one that answers is somebody's.
void remove_stale(const std::string& path, const SockAddr& address) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return;
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(probe.get(), address.get(), address.size) != 0 && errno == ECONNREFUSED) {
    ::unlink(path.c_str());
  }
}

}  // namespace

Result<std::unique_ptr<StreamLink>, SystemError> StreamLink::listen(const StreamAddress& where,
                                                                    uint32_t mtu) {
  const bool is_unix = !where.path.empty();
  SockAddr address;
  int family = AF_UNIX;
  if (is_unix) {
    auto made = unix_address(where.path);
    if (!made.ok()) return made.error();
    address = made.value();
    remove_stale(where.path, address);
  } else {
    address = to_sockaddr(where.endpoint);
    family = address_family(where.endpoint.address.family());
  }
  Fd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (fd && !is_unix) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (!fd || ::bind(fd.get(), address.get(), address.size) != 0 || ::listen(fd.get(), 4) != 0) {
    return last_error("cannot listen on " + to_string(where));
  }
  return std::unique_ptr<StreamLink>(new StreamLink(std::move(fd), where.path, mtu));
}

StreamLink::StreamLink(Fd listener, std::string path, uint32_t mtu)
    : listener_(std::move(listener)), path_(std::move(path)) {
  limits_.mtu = mtu;  // no virtio-net header travels here: no offloads
  in_.resize(kReadBytes);
  frames_.reserve(kFramesPerTurn);
  out_.resize(kQueueBytes);
  slots_.reserve(kSlotsMax);
}

StreamLink::~StreamLink() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

uint16_t StreamLink::port() const { return local_endpoint(listener_.get()).port.number; }

void StreamLink::accept_guest() {
  guest_ = Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!guest_) return;
  const int on = 1;
  ::setsockopt(guest_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // One that went without a word would keep the next out.
  ::setsockopt(guest_.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(guest_.get(), IPPROTO_TCP, TCP_KEEPIDLE, &kSilentSeconds, sizeof kSilentSeconds);
  ::setsockopt(guest_.get(), IPPROTO_TCP, TCP_KEEPINTVL, &kProbeSeconds, sizeof kProbeSeconds);
  ::setsockopt(guest_.get(), IPPROTO_TCP, TCP_KEEPCNT, &kProbes, sizeof kProbes);
  ::setsockopt(guest_.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnheardMs, sizeof kUnheardMs);
  restart_ = true;
}

void StreamLink::drop_guest() {
  guest_.reset();
  in_begin_ = in_end_ = 0;
  queued_begin_ = queued_end_ = 0;
  restart_ = true;
}

std::span<const GuestFrame> StreamLink::receive() {
  frames_.clear();
  if (!guest_) {
    accept_guest();
  } else {
    read_guest();
  }
  return frames_;
}

// Reads once and cuts what is there into frames.
void StreamLink::read_guest() {
  if (in_begin_ != 0) {
    std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
    in_end_ -= in_begin_;
    in_begin_ = 0;
  }
  const ssize_t n = ::recv(guest_.get(), in_.data() + in_end_, in_.size() - in_end_, MSG_DONTWAIT);
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return drop_guest();
  if (n > 0) in_end_ += static_cast<size_t>(n);
  while (in_end_ - in_begin_ >= kPrefix) {
    const Bytes rest = Bytes(in_).subspan(in_begin_, in_end_ - in_begin_);
    const uint32_t length = load<Be32>(rest);
    // Out of step, or not a guest at all: the next connection starts afresh.
    if (length > kFrameMax) return drop_guest();
    if (rest.size() - kPrefix < length) break;
    frames_.push_back({rest.subspan(kPrefix, length), {}});
    in_begin_ += kPrefix + length;
  }
}

std::span<const FrameSlot> StreamLink::reserve(size_t frames, size_t bytes_each) {
  slots_.clear();
  stride_ = kPrefix + bytes_each;
  const bool fits = guest_ && bytes_each <= kFrameMax;
  if (queued_begin_ == queued_end_) queued_begin_ = queued_end_ = 0;
  const size_t room = fits ? (out_.size() - queued_end_) / stride_ : 0;
  const size_t n = std::min({frames, room, kSlotsMax});
  for (size_t i = 0; i < n; ++i) {
    const size_t at = queued_end_ + i * stride_ + kPrefix;
    slots_.push_back({MutableBytes(out_).subspan(at, bytes_each), {}});
  }
  if (n < frames && guest_) short_ = true;
  return slots_;
}

// Closes the gaps that frames shorter than reserved left, so that the queue stays one row of bytes.
void StreamLink::commit(std::span<const Filled> filled) {
  DASHI_CHECK(filled.size() <= slots_.size());
  for (size_t i = 0; i < filled.size(); ++i) {
    const size_t bytes = filled[i].bytes;
    store(MutableBytes(out_).subspan(queued_end_), Be32(static_cast<uint32_t>(bytes)));
    uint8_t* to = out_.data() + queued_end_ + kPrefix;
    if (to != slots_[i].head.data()) std::memmove(to, slots_[i].head.data(), bytes);
    queued_end_ += kPrefix + bytes;
  }
  slots_.clear();
}

void StreamLink::send_queued() {
  while (guest_ && queued_begin_ != queued_end_) {
    const ssize_t n = ::send(guest_.get(), out_.data() + queued_begin_, queued_end_ - queued_begin_,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) return drop_guest();
    queued_begin_ += static_cast<size_t>(n);
  }
}

bool StreamLink::take_writable() {
  if (!short_ || queued_end_ - queued_begin_ > kQueueBytes / 2) return false;
  // Make the space in front usable again: what waits moves to the start.
  std::memmove(out_.data(), out_.data() + queued_begin_, queued_end_ - queued_begin_);
  queued_end_ -= queued_begin_;
  queued_begin_ = 0;
  short_ = false;
  return true;
}

bool StreamLink::take_restart() { return std::exchange(restart_, false); }

}  // namespace dashi
