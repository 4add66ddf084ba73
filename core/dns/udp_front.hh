// The gateway's DNS over UDP: the guest's datagrams in, answers out from the address that was asked.
// A query that the guest sends again while it waits joins the first; an answer longer than the guest
// takes is cut to its question, with TC.
#pragma once

#include "core/base/flow_index.hh"
#include "core/base/scratch.hh"
#include "core/dns/answerer.hh"
#include "core/wire/packet.hh"

namespace dashi {

class UdpFront {
 public:
  UdpFront(FlowContext& context, Answerer& answerer, Resolver& resolver, SipKey index_key,
           Scratch& scratch);

  void handle_packet(Instant now, const Packet& packet);
  // A completed query of ours: answers and releases it.
  void deliver(uint32_t slot);
  // Drops every query that waits.
  void restart();

  // The resolver was restored: its queries of ours are ours again. False if two are the same. There
  // is no other state; the queries' hashes hold because the Nat restores the key.
  bool index_restored();

 private:
  // One query as the guest sent it; free of padding.
  struct Key {
    std::array<uint8_t, 8> message_hash{};
    Ipv6Address guest;
    Ipv6Address gateway;
    Be16 guest_port;
    Family family = Family::kIpv4;
    friend bool operator==(const Key&, const Key&) = default;
  };
  bool handle_query(Instant now, const Packet& packet, Bytes query);
  static Key key_of(const DnsOrigin& origin);
  size_t reply_bytes(const DnsOrigin& origin, Bytes query) const;
  void send(const DnsOrigin& origin, Bytes reply);
  void forget(uint32_t slot);

  FlowContext& context_;
  Answerer& answerer_;
  Resolver& resolver_;
  SipKey index_key_;
  FlowIndex<Key> index_;  // to the resolver's slots
  Scratch& scratch_;      // for replies; shared with the other front
};

}  // namespace dashi
