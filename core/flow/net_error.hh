// What the host's sockets say went wrong, told to the guest as ICMP: sentences from SocketError to
// IcmpReport, and the guest's packet rebuilt for quoting (RFC 792, RFC 4443 3: the guest finds its
// socket by the quoted addresses and ports).
#pragma once

#include <optional>

#include "core/flow/address_policy.hh"
#include "core/flow/icmp_error.hh"

namespace dashi {

// What the guest is told about an error of open or send; nothing for errors that concern a stream, and
// nothing for kWouldBlock and kNoBuffers: a full queue of the host loses the packet like any queue on its
// way. Linux says so (ENOBUFS) to a socket that asked for errors, and of every packet while it is full.
std::optional<IcmpReport> report_for(SocketError error);

// The IP packet of the guest that an ICMP error is about, as much of it as is known.
struct QuotedPacket {
  IpAddress guest;
  IpAddress remote;  // as the guest sees it
  IpProtocol protocol{};
  Bytes transport_header;  // at most 60 bytes; its checksum is left as it is
  Bytes payload;           // what follows, as far as the error quoted it
};

// Relays `error` about `about` to the guest. Where the network's own ICMP type and code are known they
// are kept; the reporter is named if it is one that the guest could reach, else the gateway is.
void relay_net_error(Instant now, const NetError& error, const QuotedPacket& about,
                     const AddressPolicy& policy, IcmpErrors& errors);

}  // namespace dashi
