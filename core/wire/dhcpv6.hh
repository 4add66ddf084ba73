// DHCP for IPv6 (RFC 8415): header, walk and writer of options, and a client's message as a server
// has to read it. Stateless; what is answered is the gateway's to know. Relays' messages have
// another header and are not read here.
#pragma once

#include <optional>

#include "core/base/bytes.hh"
#include "core/wire/address.hh"

namespace dashi {

inline constexpr Port kDhcpv6ServerPort{547};
inline constexpr Port kDhcpv6ClientPort{546};
inline constexpr size_t kDuidMin = 3;    // bytes; a type code and at least one more (RFC 8415 11.1)
inline constexpr size_t kDuidMax = 130;  // bytes; a type code and at most 128 more

// ff02::1:2, All_DHCP_Relay_Agents_and_Servers (RFC 8415 7.1).
constexpr Ipv6Address dhcpv6_servers_group() {
  return {{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2}};
}

enum class Dhcpv6Type : uint8_t {
  kSolicit = 1,
  kAdvertise = 2,
  kRequest = 3,
  kConfirm = 4,
  kRenew = 5,
  kRebind = 6,
  kReply = 7,
  kRelease = 8,
  kDecline = 9,
  kInformationRequest = 11,
};

struct Dhcpv6Header {
  Dhcpv6Type type{};
  std::array<uint8_t, 3> transaction_id{};
};
static_assert(sizeof(Dhcpv6Header) == 4);

enum class Dhcpv6OptionCode : uint16_t {
  kClientId = 1,
  kServerId = 2,
  kIaNa = 3,
  kIaTa = 4,
  kIaAddress = 5,
  kOptionRequest = 6,
  kStatusCode = 13,
  kDnsServers = 23,
  kDomainList = 24,
  kIaPd = 25,
  kInformationRefreshTime = 32,
};

enum class Dhcpv6Status : uint16_t {
  kSuccess = 0,
  kUnspecFail = 1,
  kNoAddrsAvail = 2,
  kNoBinding = 3,
  kNotOnLink = 4,
  kUseMulticast = 5,
  kNoPrefixAvail = 6,
};

struct Dhcpv6Option {
  Dhcpv6OptionCode code{};
  Bytes data;
};

// Walks options to the end of the bytes, or to one that overruns.
class Dhcpv6Options {
 public:
  explicit Dhcpv6Options(Bytes bytes) : rest_(bytes) {}

  std::optional<Dhcpv6Option> next();
  bool malformed() const { return malformed_; }

 private:
  Bytes rest_;
  bool malformed_ = false;
};

// Appends options to a buffer it does not own.
class Dhcpv6OptionWriter {
 public:
  static constexpr size_t kOverhead = 4;  // bytes: code and length

  explicit Dhcpv6OptionWriter(MutableBytes to) : to_(to) {}

  // Writes the whole option, or nothing if it does not fit.
  bool put(Dhcpv6OptionCode code, Bytes data);
  size_t room() const { return to_.size() - size_; }
  size_t size() const { return size_; }

 private:
  MutableBytes to_;
  size_t size_ = 0;
};

// A client's message. Views into it.
struct Dhcpv6Message {
  Dhcpv6Header header;
  Bytes client_id;  // empty: none
  Bytes server_id;  // empty: none
  bool has_ia = false;
  Bytes options;  // all, for a second walk
};

// Nothing if an option overruns, a DUID has a length no DUID has or is given twice, or an IA is too
// short for its fixed part.
std::optional<Dhcpv6Message> parse_dhcpv6(Bytes payload);

}  // namespace dashi
