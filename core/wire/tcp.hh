// The TCP header (RFC 9293 3.1) and its options, as read from and written to the wire. Stateless;
// sequence arithmetic is tcp/seq's.
#pragma once

#include <array>
#include <optional>

#include "core/base/bytes.hh"
#include "core/base/result.hh"
#include "core/wire/drop_reason.hh"

namespace dashi {

struct TcpHeader {
  Be16 source_port;
  Be16 destination_port;
  Be32 sequence;
  Be32 acknowledgment;
  uint8_t data_offset = 0;  // high nibble: 32-bit words
  uint8_t flags = 0;
  Be16 window;
  Be16 checksum;
  Be16 urgent_pointer;
};
static_assert(sizeof(TcpHeader) == 20);

inline constexpr uint8_t kTcpFin = 0x01;
inline constexpr uint8_t kTcpSyn = 0x02;
inline constexpr uint8_t kTcpRst = 0x04;
inline constexpr uint8_t kTcpPsh = 0x08;
inline constexpr uint8_t kTcpAck = 0x10;
inline constexpr uint8_t kTcpUrg = 0x20;
inline constexpr uint8_t kTcpEce = 0x40;
inline constexpr uint8_t kTcpCwr = 0x80;

inline constexpr size_t kTimestampsBytes = 12;  // with the padding that aligns them

struct TcpTimestamps {
  uint32_t value = 0;
  uint32_t echo_reply = 0;
};

struct TcpSackBlock {
  uint32_t left = 0;   // first sequence number of the block
  uint32_t right = 0;  // one past the last
};

struct TcpOptions {
  std::optional<uint16_t> mss;              // RFC 9293 3.7.1
  std::optional<uint8_t> window_scale;      // RFC 7323 2.2, as sent: may exceed 14
  bool sack_permitted = false;              // RFC 2018 2
  std::optional<TcpTimestamps> timestamps;  // RFC 7323 3.2
  uint8_t sack_count = 0;
  std::array<TcpSackBlock, 4> sack{};  // RFC 2018 3; the first sack_count are set
};

// What a segment says, ports and payload aside (those are in the Packet).
struct TcpSegment {
  uint32_t sequence = 0;
  uint32_t acknowledgment = 0;
  uint8_t flags = 0;
  uint16_t window = 0;  // unscaled
  uint16_t urgent_pointer = 0;
  TcpOptions options;

  bool syn() const { return (flags & kTcpSyn) != 0; }
  bool fin() const { return (flags & kTcpFin) != 0; }
  bool rst() const { return (flags & kTcpRst) != 0; }
  bool ack() const { return (flags & kTcpAck) != 0; }
};

// Unknown options are skipped; a length that runs past the end, or is below 2, is malformed
// (RFC 9293 MUST-7). MSS and window scale count in any segment; the caller ignores them without SYN.
Result<TcpOptions, DropReason> parse_tcp_options(Bytes options);

// Writes the options in Linux's order (a SYN: mss, sack-permitted, timestamps, nop, window scale),
// padded with NOPs to 32-bit words; gives the bytes written, at most 40.
size_t write_tcp_options(MutableBytes to, const TcpOptions& options);

}  // namespace dashi
