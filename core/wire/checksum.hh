// The Internet checksum (RFC 1071): a one's complement sum of 16-bit words, accumulated over pieces
// that may lie anywhere and have any length, as if they were one run of bytes. Nothing is copied.
#pragma once

#include "core/base/bytes.hh"
#include "core/wire/address.hh"
#include "core/wire/packet.hh"

namespace dashi {

class Checksum {
 public:
  // Appends bytes to what is summed.
  void add(Bytes piece);
  // Appends one 16-bit word, in host order.
  void add_word(uint16_t word);
  // What a checksum field is set to, in host order. Over bytes that include a correct checksum
  // field: 0.
  uint16_t value() const { return static_cast<uint16_t>(~partial()); }
  // Folded but not complemented, in host order: what a csum_partial field holds.
  uint16_t partial() const;

 private:
  uint64_t sum_ = 0;  // of words in host order
  bool odd_ = false;  // an odd number of bytes was added so far
};

// The pseudo-header of TCP, UDP and ICMPv6 (RFC 9293 3.1, RFC 768, RFC 8200 8.1).
void add_pseudo_header(Checksum& sum, const IpAddress& source, const IpAddress& destination,
                       IpProtocol protocol, size_t transport_bytes);

}  // namespace dashi
