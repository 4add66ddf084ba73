// DNS messages (RFC 1035): the header, the question, the EDNS record (RFC 6891), and the replies a
// gateway makes itself. Stateless, and no more than a pass-through needs: resource data is never
// interpreted. Every walk is bounded by the message, compression pointers only lead backwards.
//
// Builders write into the caller's buffer and give the bytes written; 0 means that not even the
// smallest form fits.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/base/bytes.hh"
#include "core/wire/address.hh"

namespace dashi {

struct DnsHeader {
  uint16_t id = 0;
  uint16_t flags = 0;
  uint16_t questions = 0;
  uint16_t answers = 0;
  uint16_t authorities = 0;
  uint16_t additionals = 0;
};

inline constexpr uint16_t kDnsFlagResponse = 0x8000;            // QR
inline constexpr uint16_t kDnsOpcodeMask = 0x7800;              // 0 = QUERY
inline constexpr uint16_t kDnsFlagAuthoritative = 0x0400;       // AA
inline constexpr uint16_t kDnsFlagTruncated = 0x0200;           // TC
inline constexpr uint16_t kDnsFlagRecursionDesired = 0x0100;    // RD
inline constexpr uint16_t kDnsFlagRecursionAvailable = 0x0080;  // RA
inline constexpr uint16_t kDnsFlagCheckingDisabled = 0x0010;    // CD (RFC 4035 3.2.2)
inline constexpr uint16_t kDnsRcodeMask = 0x000f;

enum class DnsRcode : uint8_t {
  kNoError = 0,
  kFormatError = 1,
  kServerFailure = 2,
  kNotImplemented = 4,
  kRefused = 5,
  kBadVersion = 16,  // extended: its upper bits stand in the OPT record
};

inline constexpr uint16_t kDnsTypeA = 1;
inline constexpr uint16_t kDnsTypeAaaa = 28;
inline constexpr uint16_t kDnsTypeOpt = 41;
inline constexpr uint16_t kDnsTypeIxfr = 251;
inline constexpr uint16_t kDnsTypeAxfr = 252;
inline constexpr uint16_t kDnsTypeAny = 255;
inline constexpr uint16_t kDnsClassIn = 1;
inline constexpr uint16_t kDnsClassAny = 255;

inline constexpr size_t kDnsHeaderBytes = 12;
inline constexpr size_t kDnsPlainUdpBytes = 512;      // RFC 1035 2.3.4: without EDNS
inline constexpr size_t kDnsMessageBytesMax = 65535;  // what a TCP length can say

// A name in wire form, uncompressed, letters lowered (RFC 4343), with the root's zero byte.
struct DnsName {
  std::array<uint8_t, 255> bytes{};
  uint8_t size = 0;

  Bytes view() const { return Bytes(bytes).first(size); }
  friend bool operator==(const DnsName& a, const DnsName& b);
};

// "example.com" (one trailing dot allowed) to wire form: labels of 1..63 printable ASCII bytes, at
// most 253 bytes in all (RFC 1035 2.3.4).
std::optional<DnsName> dns_name_from_text(std::string_view text);
// For people: no trailing dot, "." for the root, \DDD for what is not printable.
std::string to_string(const DnsName& name);

struct DnsQuestion {
  DnsName name;
  uint16_t type = 0;
  uint16_t dns_class = 0;
  size_t end = 0;  // offset just past the question, from the start of the message

  bool asks_the_same(const DnsQuestion& other) const {
    return type == other.type && dns_class == other.dns_class && name == other.name;
  }
};

// The header, if there are bytes for one.
std::optional<DnsHeader> dns_header(Bytes message);
constexpr DnsRcode rcode_of(uint16_t flags) { return static_cast<DnsRcode>(flags & kDnsRcodeMask); }

// The name at `offset` into `name`; gives the offset just past it, or nothing if it is malformed.
std::optional<size_t> parse_dns_name(Bytes message, size_t offset, DnsName& name);
// The first question; nothing if there is none or it is malformed.
std::optional<DnsQuestion> parse_dns_question(Bytes message);

struct DnsEdns {
  uint16_t udp_bytes = 0;  // what the sender can take over UDP
  uint8_t version = 0;
  bool dnssec_ok = false;
  Bytes record;  // whole, within the message
};

// The OPT record of the additional section; nothing if there is none, or on the way to it something
// is malformed.
std::optional<DnsEdns> find_dns_edns(Bytes message);

// The most bytes that `query`'s sender takes over UDP (RFC 6891 6.2.3: values below 512 mean 512).
size_t dns_udp_reply_bytes(Bytes query);

inline void set_dns_id(MutableBytes message, uint16_t id) { store(message, Be16(id)); }

// An answer without records: the question as it was asked (RFC 5452 4.5, byte for byte), an OPT
// record if the query had one. For kFormatError and kNotImplemented only the header.
size_t build_dns_error(MutableBytes to, Bytes query, DnsRcode rcode);

// An authoritative answer of as many of `addresses` as fit into `to`, those that the question's
// type asks for; none is NODATA (RFC 2308 2.2, without SOA). TC is set when some did not fit. An
// EDNS version other than 0 is answered BADVERS (RFC 6891 6.1.3).
size_t build_dns_static_answer(MutableBytes to, Bytes query, const DnsQuestion& question,
                               std::span<const IpAddress> addresses, uint32_t ttl_seconds);

// `answer` without its records but OPT, with TC: the asker is to come back over TCP (RFC 2181 9).
size_t build_dns_truncated(MutableBytes to, Bytes answer);

}  // namespace dashi
