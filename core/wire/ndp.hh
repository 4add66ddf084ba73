// Neighbor Discovery (RFC 4861) with the router's DNS options (RFC 8106), as it lies on the wire:
// the fixed parts as structs, the options as a walk. Stateless; the rules of validity that need no
// state are here (RFC 4861 6.1.1, 7.1.1, 7.1.2), but for the checksum, which parsing the frame
// verified.
#pragma once

#include <optional>

#include "core/base/bytes.hh"
#include "core/wire/address.hh"
#include "core/wire/icmpv6.hh"
#include "core/wire/packet.hh"

namespace dashi {

enum class NdpOptionType : uint8_t {
  kSourceLinkLayer = 1,
  kTargetLinkLayer = 2,
  kPrefixInformation = 3,
  kMtu = 5,
  kRdnss = 25,
  kDnssl = 31,
};

inline constexpr size_t kNdpOptionUnit = 8;  // bytes; lengths of options are counted in these
inline constexpr uint8_t kNdpHopLimit = 255;

struct RouterSolicitation {
  uint8_t type = kIcmpv6RouterSolicitation;
  uint8_t code = 0;
  Be16 checksum;
  Be32 reserved;
};
static_assert(sizeof(RouterSolicitation) == 8);

inline constexpr uint8_t kRaOtherConfiguration = 0x40;  // O (RFC 4861 4.2)
inline constexpr uint8_t kRaManaged = 0x80;             // M

struct RouterAdvertisement {
  uint8_t type = kIcmpv6RouterAdvertisement;
  uint8_t code = 0;
  Be16 checksum;
  uint8_t hop_limit = 64;
  uint8_t flags = 0;
  Be16 router_lifetime;  // seconds
  Be32 reachable_time;   // milliseconds
  Be32 retrans_timer;    // milliseconds
};
static_assert(sizeof(RouterAdvertisement) == 16);

struct NeighborSolicitation {
  uint8_t type = kIcmpv6NeighborSolicitation;
  uint8_t code = 0;
  Be16 checksum;
  Be32 reserved;
  Ipv6Address target;
};
static_assert(sizeof(NeighborSolicitation) == 24);

inline constexpr uint8_t kNaRouter = 0x80;
inline constexpr uint8_t kNaSolicited = 0x40;
inline constexpr uint8_t kNaOverride = 0x20;

struct NeighborAdvertisement {
  uint8_t type = kIcmpv6NeighborAdvertisement;
  uint8_t code = 0;
  Be16 checksum;
  uint8_t flags = 0;
  std::array<uint8_t, 3> reserved{};
  Ipv6Address target;
};
static_assert(sizeof(NeighborAdvertisement) == 24);

struct LinkLayerOption {
  NdpOptionType type{};
  uint8_t length = 1;
  MacAddress address;
};
static_assert(sizeof(LinkLayerOption) == 8);

struct MtuOption {
  NdpOptionType type = NdpOptionType::kMtu;
  uint8_t length = 1;
  Be16 reserved;
  Be32 mtu;
};
static_assert(sizeof(MtuOption) == 8);

inline constexpr uint8_t kPrefixOnLink = 0x80;      // L
inline constexpr uint8_t kPrefixAutonomous = 0x40;  // A

struct PrefixInformationOption {
  NdpOptionType type = NdpOptionType::kPrefixInformation;
  uint8_t length = 4;
  uint8_t prefix_length = 64;
  uint8_t flags = 0;
  Be32 valid_lifetime;      // seconds
  Be32 preferred_lifetime;  // seconds
  Be32 reserved;
  Ipv6Address prefix;
};
static_assert(sizeof(PrefixInformationOption) == 32);

// The start of RDNSS and DNSSL: addresses, or names in RFC 1035 form padded with zeros, follow.
struct DnsOption {
  NdpOptionType type{};
  uint8_t length = 1;
  Be16 reserved;
  Be32 lifetime;  // seconds
};
static_assert(sizeof(DnsOption) == 8);

// One option: type and length as well as what follows them.
struct NdpOption {
  NdpOptionType type{};
  Bytes bytes;
};

// Walks the options of a message; ends at the first that is not one.
class NdpOptions {
 public:
  explicit NdpOptions(Bytes bytes) : rest_(bytes) {}

  // The next option; nothing at the end, or where a length is zero or overruns (RFC 4861 4.6).
  std::optional<NdpOption> next();
  bool malformed() const { return malformed_; }

 private:
  Bytes rest_;
  bool malformed_ = false;
};

// A message of the guest's that a node has to look at.
struct NdpMessage {
  uint8_t type = 0;
  Ipv6Address target;                    // unspecified for a router solicitation
  uint8_t flags = 0;                     // of an advertisement
  std::optional<MacAddress> link_layer;  // source's, or the target's of an advertisement
};

// Validates as RFC 4861 6.1.1, 7.1.1 and 7.1.2 say; nothing for what must be discarded silently,
// and for types other than solicitations and neighbor advertisements.
std::optional<NdpMessage> parse_ndp(const IpHeader& ip, Bytes message);

}  // namespace dashi
