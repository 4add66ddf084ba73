#include "core/flow/net_error.hh"

#include <algorithm>
#include <array>

#include "core/base/check.hh"
#include "core/wire/checksum.hh"
#include "core/wire/icmpv6.hh"
#include "core/wire/ipv4.hh"
#include "core/wire/ipv6.hh"

namespace dashi {
namespace {

// RFC 1812 4.3.2.3 for IPv4; for IPv6 more would be allowed, but nobody needs it.
constexpr size_t kQuotedMax = 548;

// Builds the packet in `to`; gives its bytes.
size_t rebuild(const QuotedPacket& about, MutableBytes to) {
  const size_t transport_bytes = about.transport_header.size() + about.payload.size();
  size_t used = 0;
  if (about.guest.is_v4()) {
    Ipv4Header header;
    header.total_length = static_cast<uint16_t>(sizeof header + transport_bytes);
    header.fragment = kIpv4DontFragment;
    header.ttl = 1;  // it got somewhere: nobody knows how much was left
    header.protocol = static_cast<uint8_t>(about.protocol);
    header.source = about.guest.v4();
    header.destination = about.remote.v4();
    store(to, header);
    Checksum sum;
    sum.add(Bytes(to).first(sizeof header));
    header.checksum = sum.value();
    store(to, header);
    used = sizeof header;
  } else {
    Ipv6Header header;
    header.payload_length = static_cast<uint16_t>(transport_bytes);
    header.next_header = static_cast<uint8_t>(about.protocol);
    header.hop_limit = 1;
    header.source = about.guest.v6();
    header.destination = about.remote.v6();
    store(to, header);
    used = sizeof header;
  }
  used += copy_bytes(to.subspan(used), about.transport_header);
  used += copy_bytes(to.subspan(used), about.payload);
  return used;
}

// Errors about a packet, of the kind a router or the destination may send. Source quench is obsolete
// (RFC 6633), a redirect concerns the host alone.
bool is_relayable(uint8_t type, bool v4) {
  if (!v4) return type >= kIcmpv6Unreachable && type <= kIcmpv6ParameterProblem;
  return type == kIcmpUnreachable || type == kIcmpTimeExceeded || type == kIcmpParameterProblem;
}

// The third word of the error: an MTU, or nothing that would mean anything to the guest.
uint32_t rest_of_header(const NetError& error, bool v4) {
  if (v4 && error.icmp_type == kIcmpUnreachable && error.icmp_code == kIcmpFragmentationNeeded) {
    return std::min<uint32_t>(error.mtu, 0xffff);
  }
  // RFC 8200 5: no path has less than 1280.
  if (!v4 && error.icmp_type == kIcmpv6PacketTooBig) {
    return std::max<uint32_t>(error.mtu, kIpv6MinimumMtu);
  }
  return 0;
}

}  // namespace

std::optional<IcmpReport> report_for(SocketError error) {
  switch (error) {
    case SocketError::kRefused:
      return IcmpReport::kPortUnreachable;
    case SocketError::kTimedOut:
    case SocketError::kHostUnreachable:
      return IcmpReport::kHostUnreachable;
    case SocketError::kNetworkUnreachable:
    case SocketError::kAddressNotAvailable:
    case SocketError::kNotSupported:
      return IcmpReport::kNetworkUnreachable;
    case SocketError::kTtlExceeded:
      return IcmpReport::kTimeExceeded;
    case SocketError::kAccessDenied:
    case SocketError::kTooManySockets:
      return IcmpReport::kAdminProhibited;
    case SocketError::kMessageTooLong:
      return IcmpReport::kPacketTooBig;
    case SocketError::kWouldBlock:
    case SocketError::kNoBuffers:
    case SocketError::kReset:
    case SocketError::kAddressInUse:
    case SocketError::kClosed:
    case SocketError::kOther:
      return std::nullopt;
  }
  return std::nullopt;
}

void relay_net_error(Instant now, const NetError& error, const QuotedPacket& about,
                     const AddressPolicy& policy, IcmpErrors& errors) {
  DASHI_CHECK(about.transport_header.size() <= 60);
  if (about.remote.family() != about.guest.family()) return;
  const bool v4 = about.guest.is_v4();
  std::array<uint8_t, kQuotedMax> scratch{};
  const Bytes quoted = Bytes(scratch).first(rebuild(about, scratch));
  IpAddress reporter = error.reporter;
  if (error.reporter == error.original_remote.address) {
    reporter = about.remote;  // the destination itself, by the name the guest knows it under
  } else if (reporter.is_unspecified() || reporter.family() != about.guest.family() ||
             policy.resolve(reporter).verdict != Destination::Verdict::kForward) {
    reporter = {};
  }
  const bool has_icmp = error.icmp_type != 0 || error.icmp_code != 0;
  const bool same_family = error.original_remote.address.family() == about.guest.family();
  if (has_icmp && same_family) {
    if (!is_relayable(error.icmp_type, v4)) return;
    errors.relay_raw(now, error.icmp_type, error.icmp_code, rest_of_header(error, v4), reporter,
                     about.guest, quoted);
    return;
  }
  const auto report = report_for(error.error);
  if (!report.has_value()) return;
  const uint32_t mtu =
      v4 ? error.mtu : std::max<uint32_t>(error.mtu, kIpv6MinimumMtu);  // RFC 8200 5
  errors.relay(now, *report, reporter, about.guest, quoted, mtu);
}

}  // namespace dashi
