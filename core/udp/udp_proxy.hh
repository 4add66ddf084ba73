// UDP between the guest and the world: one host socket for each guest endpoint, whatever it talks to
// (RFC 4787 4.1: endpoint-independent mapping), a choice of filtering, and forwarded ports.
//
// Not here: what the gateway itself serves over UDP (DHCP, DNS). Dispatch asks those first.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/base/archive.hh"
#include "core/base/flow_index.hh"
#include "core/base/slot_map.hh"
#include "core/flow/flow_key.hh"
#include "core/flow/timers.hh"
#include "core/udp/contacts.hh"
#include "core/udp/udp_carrier.hh"
#include "core/udp/udp_config.hh"
#include "core/udp/udp_forwards.hh"
#include "core/udp/udp_uplink.hh"

namespace dashi {

class UdpProxy {
 public:
  UdpProxy(const UdpConfig& config, FlowContext& context, const AddressPolicy& policy,
           IcmpErrors& errors, SipKey index_key);

  // A UDP packet whose TTL allows a hop, and that no service of the gateway took. Its frame is borrowed
  // until finish_batch.
  void handle_packet(Instant now, const Packet& packet);
  void finish_batch(Instant now);  // sends what the batch's packets carried
  void handle_socket(Instant now, const SocketEvent& event);  // kUdp and kUdpForward
  void handle_guest_writable(Instant now);
  void handle_timers(Instant now);
  void flush(Instant now);
  Instant next_deadline() const;
  // Mappings and what forwards remember are forgotten; forwards stay.
  void restart_link(Instant now);

  // Gives the host endpoint, with the port that was chosen if 0 was asked for. `guest` absent: the
  // guest's address of the host endpoint's family, as it is when a datagram arrives.
  Result<Endpoint, SocketError> add_forward(const Endpoint& host,
                                            const std::optional<IpAddress>& guest,
                                            Port guest_port) {
    return forwards_.add(host, guest, guest_port);
  }
  Result<Endpoint, SocketError> add_forward(const Endpoint& host, const Endpoint& guest) {
    return forwards_.add(host, guest.address, guest.port);
  }
  Result<Done, SocketError> remove_forward(const Endpoint& host) { return forwards_.remove(host); }

  void save(ArchiveWriter& ar) const;
  bool restore(ArchiveReader& ar);  // into a fresh proxy only
  void dump(std::string& out, Instant now) const;
  uint32_t size() const { return mappings_.size(); }
  uint32_t forwards() const { return forwards_.size(); }
  uint32_t forward_peers() const { return forwards_.peers(); }

 private:
  struct Mapping {
    Endpoint guest;
    std::unique_ptr<DatagramSocket> socket;
    Instant last_used;     // by either direction
    bool dns_only = true;  // no port but 53 was sent to
    uint16_t row = 1;      // see UdpCarrier::pull
    uint64_t sent = 0;     // datagrams of the guest
    uint64_t received = 0;
    Endpoint latest;  // whom it sent to last, for people
  };
  // Why a mapping ended, as traced.
  enum class Close : uint32_t { kExpired, kEvicted, kRestarted, kSocketFailed };

  template <typename Archive>
  void archive_all(Archive& ar);
  std::optional<Endpoint> resolve(Instant now, const Packet& packet);
  uint32_t find_or_open(Instant now, const Packet& packet);
  void refuse_at_limit(Instant now, const Packet& packet);
  static bool is_done(const Mapping& mapping);
  bool make_room(Instant now);
  Duration timeout_of(const Mapping& mapping) const;
  Endpoint contact_of(const Endpoint& remote, bool exactly) const;
  std::optional<Endpoint> admit(Instant now, uint32_t slot, const Endpoint& remote);
  void receive(Instant now, uint32_t slot, const InDatagram& datagram);
  void close(uint32_t slot, Close why);
  FlowId id_of(uint32_t slot) const;

  const UdpConfig& config_;
  FlowContext& context_;
  const AddressPolicy& policy_;
  IcmpErrors& errors_;
  UdpUplink uplink_;
  UdpCarrier carrier_;
  UdpForwards forwards_;
  SlotMap<Mapping> mappings_;
  Contacts contacts_;  // of mappings
  FlowIndex<EndpointKey> index_;
  Timers timers_;
  SlotBitmap ready_;          // mappings that may have datagrams to receive
  uint32_t cursor_ = 0;       // the mapping that flush visits first
  Instant no_idle_before_{};  // until then no mapping can be idle enough to be evicted
};

}  // namespace dashi
