// What a virtio-net header says about a frame: which checksum is still to be filled in, and how a
// frame longer than the MTU is to be cut. The same in both directions.
#pragma once

#include <cstdint>

namespace dashi {

enum class GsoType : uint8_t { kNone, kTcpv4, kTcpv6, kUdp };

struct Offload {
  GsoType gso_type = GsoType::kNone;
  uint16_t gso_size = 0;      // payload bytes a segment; 0 unless gso_type says otherwise
  uint16_t hdr_len = 0;       // bytes of Ethernet, IP and transport header; a hint
  bool csum_partial = false;  // the transport checksum field holds only the pseudo-header's sum
  uint16_t csum_start = 0;    // where the sum begins, bytes from the start of the frame
  uint16_t csum_offset = 0;   // where it is stored, bytes from csum_start
  bool csum_trusted =
      false;  // the link vouches for the transport checksum: it need not be verified
};

}  // namespace dashi
