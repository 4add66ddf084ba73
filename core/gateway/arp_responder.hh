// Answers ARP (RFC 826, RFC 5227) with the gateway's MAC address, and only for what the guest may take
// the gateway for. It asks nobody itself: the guest's MAC address is Guest's to know.
//
// - The gateway's address: requests are answered, probes as well (that is its defence, RFC 5227 2.4),
//   and a guest that announces it as its own is contradicted.
// - Any other host of the subnet, when the guest itself wants to talk to it: answered, so that what it
//   sends is refused at once with ICMP host unreachable and not after seconds of silence. Never when
//   the guest only asks whether the address is free (a probe): it would take it for taken.
// - The guest's own addresses (the one DHCP gives it, the asker's, any that it was heard to use):
//   never answered.
#pragma once

#include <array>
#include <optional>

#include "core/base/archive.hh"
#include "core/flow/context.hh"
#include "core/wire/arp.hh"
#include "core/wire/packet.hh"

namespace dashi {

class ArpResponder {
 public:
  explicit ArpResponder(FlowContext& context) : context_(context) {}

  void handle_packet(Instant now, const Packet& packet);
  // Another guest may come: what was heard of the last one is forgotten.
  void restart_link(Instant now);

  void save(ArchiveWriter& ar) const;
  bool restore(ArchiveReader& ar);

 private:
  // RFC 5227 1.1 DEFEND_INTERVAL: claims are contradicted at most this often.
  static constexpr Duration kDefendInterval = 10s;
  static constexpr size_t kHeardMax = 16;

  template <typename Archive>
  void archive_fields(Archive& ar);
  void handle_claim(Instant now, const Packet& packet);
  void answer(const Packet& packet, const ArpPacket& request);
  void hear(Ipv4Address address);
  bool is_guests_own(Ipv4Address address) const;
  bool is_host(Ipv4Address address) const;

  FlowContext& context_;
  std::array<Ipv4Address, kHeardMax> heard_{};  // addresses the guest sent from; unspecified: none
  uint32_t heard_next_ = 0;                     // the entry that gives way next
  std::optional<Instant> defended_at_;
};

}  // namespace dashi
