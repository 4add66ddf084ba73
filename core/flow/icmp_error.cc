#include "core/flow/icmp_error.hh"

#include <algorithm>
#include <array>

#include "core/wire/icmp.hh"

namespace dashi {
namespace {

struct TypeCode {
  uint8_t type;
  uint8_t code;
};

TypeCode type_code_v4(IcmpReport what) {
  switch (what) {
    case IcmpReport::kNetworkUnreachable:
      return {3, 0};
    case IcmpReport::kHostUnreachable:
      return {3, 1};
    case IcmpReport::kProtocolUnreachable:
      return {3, 2};
    case IcmpReport::kPortUnreachable:
      return {3, 3};
    case IcmpReport::kPacketTooBig:
      return {3, 4};
    case IcmpReport::kAdminProhibited:
      return {3, 13};
    case IcmpReport::kTimeExceeded:
      return {11, 0};
  }
  return {3, 1};
}

TypeCode type_code_v6(IcmpReport what) {
  switch (what) {
    case IcmpReport::kNetworkUnreachable:
      return {1, 0};
    case IcmpReport::kHostUnreachable:
      return {1, 3};
    case IcmpReport::kProtocolUnreachable:
      return {4, 1};
    case IcmpReport::kPortUnreachable:
      return {1, 4};
    case IcmpReport::kPacketTooBig:
      return {2, 0};
    case IcmpReport::kAdminProhibited:
      return {1, 1};
    case IcmpReport::kTimeExceeded:
      return {3, 0};
  }
  return {1, 3};
}

// RFC 1122 3.2.2 and RFC 4443 2.4 e: never about an ICMP error, nor about what came to a group.
bool may_report(const Packet& about) {
  if (about.destination_mac.is_multicast() || about.ip_header.destination.is_multicast() ||
      about.ip_header.source.is_multicast() || about.ip_header.source.is_unspecified()) {
    return false;
  }
  const uint8_t type = about.transport.empty() ? uint8_t{0} : about.transport[0];
  if (about.ip_header.protocol == IpProtocol::kIcmp) return type == 8 || type == 0;
  if (about.ip_header.protocol == IpProtocol::kIcmpv6) return type >= 128;
  return true;
}

}  // namespace

void IcmpErrors::report(Instant now, IcmpReport what, const Packet& about, uint32_t mtu) {
  if (!may_report(about)) return;
  const bool v4 = about.ip_header.source.is_v4();
  const TypeCode tc = v4 ? type_code_v4(what) : type_code_v6(what);
  uint32_t rest = 0;
  if (what == IcmpReport::kPacketTooBig) rest = mtu;
  if (!v4 && what == IcmpReport::kProtocolUnreachable) rest = about.ip_header.next_header_offset;
  relay_raw(now, tc.type, tc.code, rest, {}, about.ip_header.source, about.ip);
}

void IcmpErrors::relay(Instant now, IcmpReport what, const IpAddress& reporter,
                       const IpAddress& guest, Bytes quoted, uint32_t mtu) {
  const TypeCode tc = guest.is_v4() ? type_code_v4(what) : type_code_v6(what);
  relay_raw(now, tc.type, tc.code, what == IcmpReport::kPacketTooBig ? mtu : 0, reporter, guest,
            quoted);
}

void IcmpErrors::relay_raw(Instant now, uint8_t type, uint8_t code, uint32_t rest_of_header,
                           const IpAddress& reporter, const IpAddress& guest, Bytes quoted) {
  if (!limiter_.allow(now)) {
    context_.counters.increment(Counter::kIcmpErrorsLimited);
    return;
  }
  const Topology& topology = context_.topology;
  const bool v4 = guest.is_v4();
  IpOut ip;
  ip.protocol = v4 ? IpProtocol::kIcmp : IpProtocol::kIcmpv6;
  ip.destination = guest;
  ip.source = reporter;
  if (reporter.is_unspecified() || reporter.family() != guest.family()) {
    ip.source = v4                      ? IpAddress(topology.gateway_v4)
                : guest.is_link_local() ? IpAddress(topology.gateway_link_local())
                                        : IpAddress(topology.gateway_v6());
  }
  IcmpHeader icmp;
  icmp.type = type;
  icmp.code = code;
  icmp.rest = rest_of_header;
  std::array<uint8_t, sizeof(IcmpHeader)> header{};
  store(header, icmp);
  // RFC 1812 4.3.2.3: at most 576 bytes in all; RFC 4443 2.4 c: at most the minimum MTU.
  const size_t room = v4 ? 576 - 20 - sizeof(IcmpHeader) : 1280 - 40 - sizeof(IcmpHeader);
  const bool sent = context_.writer.send_ip(ip, header, quoted.first(std::min(room, quoted.size())),
                                            offsetof(IcmpHeader, checksum));
  if (sent) context_.counters.increment(Counter::kIcmpErrorsSent);
}

}  // namespace dashi
