// The virtio-net header that goes before each frame on a TAP with IFF_VNET_HDR: ours to the kernel's
// form and back. Stateless.
#pragma once

#include <cstdint>

#include "core/wire/offload.hh"

namespace dashi {

// struct virtio_net_hdr, in the host's byte order (a TAP's default). The kernel's own header names a
// field `class` and so is no C++.
struct VirtioHeader {
  uint8_t flags = 0;
  uint8_t gso_type = 0;
  uint16_t hdr_len = 0;
  uint16_t gso_size = 0;
  uint16_t csum_start = 0;
  uint16_t csum_offset = 0;

  static constexpr uint8_t kNeedsCsum = 1;  // flags
  static constexpr uint8_t kDataValid = 2;
  static constexpr uint8_t kGsoNone = 0;  // gso_type
  static constexpr uint8_t kGsoTcpv4 = 1;
  static constexpr uint8_t kGsoTcpv6 = 4;
  static constexpr uint8_t kGsoUdp = 5;  // segments, not fragments: Linux 6.2
  static constexpr uint8_t kGsoEcn = 0x80;
};
static_assert(sizeof(VirtioHeader) == 10);

inline VirtioHeader to_virtio(const Offload& offload) {
  VirtioHeader out{};
  switch (offload.gso_type) {
    case GsoType::kNone:
      out.gso_type = VirtioHeader::kGsoNone;
      break;
    case GsoType::kTcpv4:
      out.gso_type = VirtioHeader::kGsoTcpv4;
      break;
    case GsoType::kTcpv6:
      out.gso_type = VirtioHeader::kGsoTcpv6;
      break;
    case GsoType::kUdp:
      out.gso_type = VirtioHeader::kGsoUdp;
      break;
  }
  if (offload.csum_partial) {
    out.flags = VirtioHeader::kNeedsCsum;
    out.csum_start = offload.csum_start;
    out.csum_offset = offload.csum_offset;
  }
  if (offload.gso_type != GsoType::kNone) {
    out.gso_size = offload.gso_size;
    out.hdr_len = offload.hdr_len;
  }
  return out;
}

// False for a kind of frame that we never asked for.
inline bool from_virtio(const VirtioHeader& header, Offload& out) {
  out = {};
  switch (header.gso_type & ~VirtioHeader::kGsoEcn) {
    case VirtioHeader::kGsoNone:
      break;
    case VirtioHeader::kGsoTcpv4:
      out.gso_type = GsoType::kTcpv4;
      break;
    case VirtioHeader::kGsoTcpv6:
      out.gso_type = GsoType::kTcpv6;
      break;
    case VirtioHeader::kGsoUdp:
      out.gso_type = GsoType::kUdp;
      break;
    default:
      return false;
  }
  if (out.gso_type != GsoType::kNone) {
    out.gso_size = header.gso_size;
    out.hdr_len = header.hdr_len;
  }
  if ((header.flags & VirtioHeader::kNeedsCsum) != 0) {
    out.csum_partial = true;
    out.csum_start = header.csum_start;
    out.csum_offset = header.csum_offset;
  }
  out.csum_trusted = (header.flags & VirtioHeader::kDataValid) != 0;
  return true;
}

}  // namespace dashi
