#include "core/linux/tap.hh"

#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <linux/if_tun.h>

#include <algorithm>
#include <cstring>

#include "core/linux/virtio_header.hh"

// Debian 12's headers are older than these.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace dashi {
namespace {

constexpr size_t kHeader = sizeof(VirtioHeader);
constexpr size_t kFrameMax = 65535 + 14 + 4;  // an IP packet, Ethernet, a VLAN tag
constexpr size_t kReadArena = size_t{1} << 20;
constexpr size_t kWriteArena = size_t{1} << 20;

}  // namespace

Result<Fd, SystemError> open_tap(const std::string& name) {
  Fd fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return last_error("cannot open /dev/net/tun");
  ifreq request{};
  if (name.empty() || name.size() >= sizeof request.ifr_name) {
    return SystemError{"not an interface name: " + name, 0};
  }
  std::memcpy(request.ifr_name, name.data(), name.size());
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) {
    return last_error("cannot create the interface " + name);
  }
  return fd;
}

Tap::Tap(Fd fd, uint32_t mtu) : fd_(std::move(fd)) {
  limits_.mtu = mtu;
  limits_.gso_bytes_max = 65535;
  limits_.checksum_offload = true;
  // What the guest's kernel may hand us: the most it knows first. USO is Linux 6.2.
  const unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  if (::ioctl(fd_.get(), TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) == 0) {
    limits_.udp_gso = true;
  } else if (::ioctl(fd_.get(), TUNSETOFFLOAD, tcp) != 0) {
    ::ioctl(fd_.get(), TUNSETOFFLOAD, 0);
  }
  guest_bytes_.resize(kReadArena);
  guest_frames_.reserve(kFramesPerTurn);
  slot_bytes_.resize(kWriteArena);
  slots_.reserve(kSlotsMax);
}

std::span<const GuestFrame> Tap::receive() {
  guest_frames_.clear();
  guest_used_ = 0;
  for (size_t reads = 0; reads < kFramesPerTurn && read_frame(); ++reads) {
  }
  return guest_frames_;
}

// One read. False when there is nothing more, or no room for a frame of the greatest size.
bool Tap::read_frame() {
  const MutableBytes room = MutableBytes(guest_bytes_).subspan(guest_used_);
  if (room.size() < kHeader + kFrameMax) return false;
  const ssize_t n = ::read(fd_.get(), room.data(), room.size());
  if (n < 0) {
    gone_ = gone_ || errno == EBADFD || errno == ENODEV;
    return errno == EINTR;
  }
  const size_t bytes = static_cast<size_t>(n);
  if (bytes < kHeader) return true;
  GuestFrame frame;
  if (!from_virtio(load<VirtioHeader>(room), frame.offload)) return true;
  frame.bytes = room.subspan(kHeader, bytes - kHeader);
  guest_frames_.push_back(frame);
  // The next frame begins where its IP header will be aligned.
  guest_used_ += (bytes + 15) & ~size_t{15};
  return true;
}

std::span<const FrameSlot> Tap::reserve(size_t frames, size_t bytes_each) {
  slots_.clear();
  slot_stride_ = (kHeader + bytes_each + 15) & ~size_t{15};
  const size_t fit = blocked_ || bytes_each > kFrameMax ? 0 : slot_bytes_.size() / slot_stride_;
  const size_t n = std::min({frames, fit, kSlotsMax});
  for (size_t i = 0; i < n; ++i) {
    slots_.push_back(
        {MutableBytes(slot_bytes_).subspan(i * slot_stride_ + kHeader, bytes_each), {}});
  }
  if (n < frames) short_ = true;
  return slots_;
}

void Tap::commit(std::span<const Filled> filled) {
  DASHI_CHECK(filled.size() <= slots_.size());
  for (size_t i = 0; i < filled.size(); ++i) {
    const MutableBytes slot = MutableBytes(slot_bytes_).subspan(i * slot_stride_);
    store(slot, to_virtio(filled[i].offload));
    ssize_t n = 0;
    do {
      n = ::write(fd_.get(), slot.data(), kHeader + filled[i].bytes);
    } while (n < 0 && errno == EINTR);
    // Any other failure (the interface is down, no memory) is a frame lost on the wire.
    if (n < 0 && errno == EAGAIN) blocked_ = short_ = true;
  }
  slots_.clear();
}

bool Tap::take_writable() {
  if (!short_ || blocked_) return false;
  short_ = false;
  return true;
}

}  // namespace dashi
