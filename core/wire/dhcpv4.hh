// DHCP for IPv4 (RFC 2131) and its options (RFC 2132, RFC 3396, RFC 3397): header, walk and writer,
// and the request as a server has to read it. Stateless; what is answered is the gateway's to know.
#pragma once

#include <optional>

#include "core/base/bytes.hh"
#include "core/wire/address.hh"

namespace dashi {

inline constexpr Port kDhcpv4ServerPort{67};
inline constexpr Port kDhcpv4ClientPort{68};

inline constexpr uint8_t kBootRequest = 1;
inline constexpr uint8_t kBootReply = 2;
inline constexpr uint8_t kDhcpv4HardwareEthernet = 1;
inline constexpr uint16_t kDhcpv4FlagBroadcast = 0x8000;
inline constexpr uint32_t kDhcpv4Cookie = 0x63825363;
inline constexpr size_t kDhcpv4MinPayload = 300;    // bytes; a BOOTP message (RFC 951 3)
inline constexpr uint16_t kDhcpv4MinMaxSize = 576;  // bytes of IP packet, RFC 2131 2

struct Dhcpv4Header {
  uint8_t op = kBootReply;
  uint8_t hardware_type = kDhcpv4HardwareEthernet;
  uint8_t hardware_length = 6;
  uint8_t hops = 0;
  Be32 xid;
  Be16 seconds;
  Be16 flags;
  Ipv4Address client;     // ciaddr
  Ipv4Address your;       // yiaddr
  Ipv4Address server;     // siaddr
  Ipv4Address relay;      // giaddr
  MacAddress client_mac;  // chaddr, of which Ethernet uses 6 bytes of 16
  std::array<uint8_t, 10> client_mac_padding{};
  std::array<uint8_t, 64> server_name{};
  std::array<uint8_t, 128> boot_file{};
  Be32 cookie = kDhcpv4Cookie;
};
static_assert(sizeof(Dhcpv4Header) == 240 && alignof(Dhcpv4Header) == 1);

enum class Dhcpv4Type : uint8_t {
  kDiscover = 1,
  kOffer = 2,
  kRequest = 3,
  kDecline = 4,
  kAck = 5,
  kNak = 6,
  kRelease = 7,
  kInform = 8,
};

enum class Dhcpv4OptionCode : uint8_t {
  kPad = 0,
  kSubnetMask = 1,
  kRouter = 3,
  kDnsServers = 6,
  kHostName = 12,
  kDomainName = 15,
  kInterfaceMtu = 26,
  kBroadcastAddress = 28,
  kRequestedAddress = 50,
  kLeaseTime = 51,
  kMessageType = 53,
  kServerId = 54,
  kParameterList = 55,
  kMaxMessageSize = 57,
  kRenewalTime = 58,
  kRebindingTime = 59,
  kClientId = 61,
  kSearchList = 119,
  kEnd = 255,
};

struct Dhcpv4Option {
  Dhcpv4OptionCode code{};
  Bytes data;
};

// Walks options up to the END option or the end of the bytes: not every client writes an END.
class Dhcpv4Options {
 public:
  explicit Dhcpv4Options(Bytes bytes) : rest_(bytes) {}

  // The next option but pads; nothing at the end, or where one overruns.
  std::optional<Dhcpv4Option> next();
  bool malformed() const { return malformed_; }

 private:
  Bytes rest_;
  bool malformed_ = false;
};

// Appends options to a buffer it does not own.
class Dhcpv4OptionWriter {
 public:
  explicit Dhcpv4OptionWriter(MutableBytes to) : to_(to) {}

  // Bytes an option takes: data beyond 255 bytes goes into further instances (RFC 3396 5).
  static size_t size_of(size_t data_bytes);
  // Writes the whole option, or nothing if it does not fit.
  bool put(Dhcpv4OptionCode code, Bytes data);
  bool put_end();
  size_t size() const { return size_; }

 private:
  MutableBytes to_;
  size_t size_ = 0;
};

// A client's message. Views into it; the first of repeated options counts.
struct Dhcpv4Request {
  Dhcpv4Header header;
  Dhcpv4Type type{};
  std::optional<Ipv4Address> requested_address;
  std::optional<Ipv4Address> server_id;
  uint16_t max_message_size = kDhcpv4MinMaxSize;  // bytes of IP packet; never less
  Bytes client_id;                                // empty: none
  Bytes parameter_list;                           // empty: none
};

// Nothing if the bytes are not a DHCP message of a client on Ethernet: a BOOTP reply, a missing
// cookie, an option that overruns or has the wrong length, no message type, a group as client.
std::optional<Dhcpv4Request> parse_dhcpv4_request(Bytes payload);

}  // namespace dashi
