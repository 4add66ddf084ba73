#include "core/tcp/guest_icmp.hh"

#include <algorithm>

#include "core/tcp/loss_timers.hh"
#include "core/wire/icmp.hh"
#include "core/wire/icmpv6.hh"
#include "core/wire/ipv6.hh"

namespace dashi {
namespace {

enum class Meaning : uint8_t { kSoft, kHard, kTooBig };

// RFC 9293 3.9.2.2.
Meaning meaning_of(Family family, uint8_t type, uint8_t code) {
  if (family == Family::kIpv6) {
    if (type == kIcmpv6PacketTooBig) return Meaning::kTooBig;
    const bool hard = type == kIcmpv6Unreachable &&
                      (code == kIcmpv6AdminProhibited || code == kIcmpv6PortUnreachable);
    return hard ? Meaning::kHard : Meaning::kSoft;
  }
  if (type != kIcmpUnreachable) return Meaning::kSoft;
  if (code == kIcmpFragmentationNeeded) return Meaning::kTooBig;
  const bool hard = code == kIcmpProtocolUnreachable || code == kIcmpPortUnreachable;
  return hard ? Meaning::kHard : Meaning::kSoft;
}

// Payload bytes of a segment that a path of this MTU takes; 0 if there is no such path: below the least
// MTU that is believed (RFC 1191 3, RFC 8201 4), or one that the packet would have fitted (RFC 5927 7.1).
// A router that states no MTU at all (RFC 1191 5) is older than any that a guest has behind it.
uint16_t mss_of_path(const Connection& c, uint32_t mtu, const IcmpQuote& quote) {
  const bool v4 = c.guest.address.is_v4();
  const auto headers = static_cast<uint32_t>((v4 ? 40 : 60) + (c.stamps.on ? kTimestampsBytes : 0));
  // The 68 bytes of RFC 1191 3 have no room for a segment worth its headers: none that small is sent.
  const uint32_t least = v4 ? headers + kMssFloor : kIpv6MinimumMtu;
  if (mtu < least || mtu >= quote.ip_bytes) return 0;
  return static_cast<uint16_t>(mtu - headers);
}

// What is out was sent too large, and is lost: it goes again at once, and tells nothing of congestion
// (RFC 1191 6.5). Later errors about the same flight lower nothing, and so send nothing again.
void lower_mss(TcpRoom& room, Instant now, Connection& c, uint16_t mss) {
  Downlink& d = c.down;
  d.mss = mss;
  d.board.mark_lost(d.una, d.nxt);
  d.reno_sacked = 0;
  d.duplicate_acks = 0;
  if (d.phase == LossPhase::kOpen) d.recover = d.nxt;  // ACKs of before are no sign of a loss
  d.can_undo = d.frto = d.new_data_first = d.tail_probe_out = false;
  restart_loss_timer(now, c);
  room.mark_ready(c);
}

}  // namespace

bool is_outstanding(const Connection& c, const IcmpQuote& quote) {
  if (c.opening == Opening::kConnecting || c.detached || c.reset_owed) return false;
  const SeqNum sequence(quote.sequence);
  return sequence.at_or_after(c.down.una) && sequence.before(c.down.nxt);
}

Fate receive_icmp_error(TcpRoom& room, Instant now, Connection& c, const Packet& packet,
                        const IcmpQuote& quote) {
  Counters& counters = room.context.counters;
  const auto icmp = load<IcmpHeader>(packet.transport);
  const Family family = c.guest.address.family();
  switch (meaning_of(family, icmp.type, icmp.code)) {
    case Meaning::kSoft:
      break;
    case Meaning::kHard:
      // Of an open connection it is soft: nothing but a guess at numbers would end it (RFC 5461 4.1,
      // RFC 5927 5.2), and the guest that has no such port says so by a RST.
      if (c.opening == Opening::kDone) break;
      counters.increment(Counter::kTcpIcmpAborts);
      return Fate::kAbandoned;
    case Meaning::kTooBig: {
      const uint32_t rest = icmp.rest;
      const uint32_t mtu = family == Family::kIpv4 ? rest & 0xffff : rest;
      const uint16_t mss = c.opening == Opening::kDone ? mss_of_path(c, mtu, quote) : uint16_t{0};
      if (mss == 0 || mss >= c.down.mss) {
        room.context.drop(DropReason::kIcmpMtu, packet.frame);
        return Fate::kLives;
      }
      counters.increment(Counter::kTcpPathMtuLowered);
      lower_mss(room, now, c, mss);
      return Fate::kLives;
    }
  }
  counters.increment(Counter::kTcpIcmpSoft);  // what it was about goes on being repeated
  return Fate::kLives;
}

}  // namespace dashi
