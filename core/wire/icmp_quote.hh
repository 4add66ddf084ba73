// What an ICMP error of the guest is about: the packet of ours that it quotes, read as far as an error has
// to quote it (RFC 792: its IP header and eight bytes more). Anybody could have written it; whether we
// ever sent such a packet is for the flow to say.
#pragma once

#include <optional>

#include "core/wire/packet.hh"

namespace dashi {

struct IcmpQuote {
  IpAddress source;
  IpAddress destination;
  IpProtocol protocol{};
  uint32_t ip_bytes = 0;  // of the whole packet, as its header states
  // Of TCP and UDP alone, as the last is of TCP.
  Port source_port;
  Port destination_port;
  uint32_t sequence = 0;
};

// Whether an ICMP packet is an error about another packet. Redirects and source quench are none: they
// ask for what nobody may ask of a gateway (RFC 1812 5.2.7.2, RFC 6633).
bool is_icmp_error(const Packet& packet);

// Nothing if the quotation is cut short, or is of no first fragment of the packet's own family.
std::optional<IcmpQuote> parse_icmp_quote(const Packet& packet);

}  // namespace dashi
