// Forwarded UDP ports: datagrams that arrive at a port of the host, to the guest, and the guest's
// answers back from that same port. A remote is shown to the guest by its own address where the guest
// can answer it there; where not (loopback, an address of the guest's own link, the other family) it is
// shown as a port of the gateway, for that remote only.
//
// Owns the forwards' sockets and the table of remotes ("peers"). What a guest starts itself is
// udp_proxy's.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/base/flow_index.hh"
#include "core/base/slot_map.hh"
#include "core/flow/flow_key.hh"
#include "core/flow/timers.hh"
#include "core/udp/remote_key.hh"
#include "core/udp/udp_carrier.hh"
#include "core/udp/udp_config.hh"
#include "core/udp/udp_uplink.hh"

namespace dashi {

class UdpForwards {
 public:
  UdpForwards(const UdpConfig& config, FlowContext& context, const AddressPolicy& policy,
              UdpUplink& uplink, UdpCarrier& carrier, SipKey index_key);

  // `guest` absent: the guest's address of the host endpoint's family, whatever it is at the time.
  Result<Endpoint, SocketError> add(const Endpoint& host, const std::optional<IpAddress>& guest,
                                    Port guest_port);
  Result<Done, SocketError> remove(const Endpoint& host);

  // Whether the packet answered a peer: then it has been dealt with.
  bool handle_packet(Instant now, const Packet& packet);
  void handle_socket(Instant now, const SocketEvent& event);
  void handle_timers(Instant now);
  void flush(Instant now);
  Instant next_deadline() const;
  void restart_link();  // peers are forgotten, forwards stay

  template <typename Archive>
  void archive_all(Archive& ar);
  void dump(std::string& out, Instant now) const;
  uint32_t size() const { return forwards_.size(); }
  uint32_t peers() const { return peers_.size(); }

 private:
  struct Forward {
    std::unique_ptr<DatagramSocket> socket;
    Endpoint host;
    std::optional<IpAddress> guest;
    Port guest_port;
    uint16_t row = 1;  // see UdpCarrier::pull
  };
  struct Peer {
    uint32_t forward = 0;
    Endpoint remote;  // as the host's socket sees it
    IpAddress local;  // the host's address it sent to: the answer's source
    Endpoint seen;    // as the guest sees it
    Endpoint guest;
    Instant last_used;      // by either direction
    bool answered = false;  // by the guest
  };
  std::optional<Endpoint> guest_of(const Forward& forward) const;
  uint32_t find(const Endpoint& host) const;
  uint32_t find_or_add_peer(Instant now, uint32_t forward, const Endpoint& remote,
                            const Endpoint& guest);
  std::optional<Endpoint> choose_seen(const Endpoint& remote, const Endpoint& guest);
  bool make_room(Instant now);
  void erase_peer(uint32_t slot);
  void receive(Instant now, uint32_t slot, const InDatagram& datagram);
  FlowId id_of(uint32_t slot) const;

  const UdpConfig& config_;
  FlowContext& context_;
  const AddressPolicy& policy_;
  UdpUplink& uplink_;
  UdpCarrier& carrier_;
  SlotMap<Forward> forwards_;
  SlotMap<Peer> peers_;
  FlowIndex<FlowKey> by_guest_;     // what the guest's answer selects
  FlowIndex<RemoteKey> by_remote_;  // by forward: what an arrival selects
  Timers timers_;                   // of peers
  SlotBitmap ready_;                // forwards that may have datagrams to receive
  uint32_t cursor_ = 0;             // the forward that flush visits first
  uint32_t victim_ = 0;             // the peer that make_room looks at first
  uint16_t next_alias_;             // the gateway's port that is tried first for a peer
  Instant no_victim_before_{};      // until then no peer can give way
};

}  // namespace dashi
