// Ping: a guest's echo requests out through the host's echo sockets, and the replies back. One socket
// for each guest address and identifier (RFC 5508 3.1), so that ids are mapped without the core ever
// seeing the host's. The gateway's own addresses are answered here, without a socket.
//
// Not here: ICMP errors about other protocols (flow/icmp_error), NDP (gateway).
#pragma once

#include <memory>
#include <string>

#include "core/base/archive.hh"
#include "core/base/flow_index.hh"
#include "core/base/scratch.hh"
#include "core/base/slot_map.hh"
#include "core/flow/address_policy.hh"
#include "core/flow/flow_key.hh"
#include "core/flow/icmp_error.hh"
#include "core/flow/timers.hh"
#include "core/icmp/echo_config.hh"

namespace dashi {

class EchoProxy {
 public:
  EchoProxy(const EchoConfig& config, FlowContext& context, const AddressPolicy& policy,
            IcmpErrors& errors, SipKey index_key);

  // An ICMP or ICMPv6 packet whose TTL allows a hop, or for the gateway. All but echo requests are
  // dropped.
  void handle_packet(Instant now, const Packet& packet);
  void handle_socket(Instant now, const SocketEvent& event);
  void handle_guest_writable(Instant now);
  void handle_timers(Instant now);
  void flush(Instant now);
  Instant next_deadline() const;
  // All identifiers are forgotten, their sockets closed.
  void restart_link(Instant now);

  void save(ArchiveWriter& ar) const;
  bool restore(ArchiveReader& ar);  // into a fresh proxy only
  void dump(std::string& out, Instant now) const;
  uint32_t size() const { return flows_.size(); }

 private:
  struct Flow {
    Endpoint guest;     // the identifier in place of the port
    IpAddress remote;   // last pinged
    Instant last_used;  // by a request or a reply
    uint64_t requests = 0;
    uint64_t replies = 0;
    std::unique_ptr<EchoSocket> socket;
  };
  // Why a flow ended, as traced.
  enum class Close : uint32_t { kExpired, kEvicted, kRestarted, kSocketFailed };

  template <typename Archive>
  void archive_all(Archive& ar);
  void refuse(Instant now, const Packet& packet, SocketError error);
  void refuse_at_limit(Instant now, const Packet& packet);
  void answer_as_gateway(const Packet& packet);
  uint32_t find_or_open(Instant now, const Packet& packet, const Endpoint& guest);
  bool make_room(Instant now);
  void close(uint32_t slot, Close why);
  FlowId id_of(uint32_t slot) const;
  void trace(TraceEvent::Kind kind, uint32_t slot, uint32_t code);
  void relay(Instant now, const Flow& flow, const NetError& error);
  // False once the guest link has no room.
  bool drain(Instant now, uint32_t slot, uint32_t& budget);
  bool deliver(Flow& flow, const InEcho& reply);

  const EchoConfig& config_;
  FlowContext& context_;
  const AddressPolicy& policy_;
  IcmpErrors& errors_;
  SlotMap<Flow> flows_;
  FlowIndex<EndpointKey> index_;
  Timers timers_;
  SlotBitmap ready_;          // may have replies to receive
  uint32_t cursor_ = 0;       // the slot that flush visits first
  bool blocked_ = false;      // the guest link had no room: wait for handle_guest_writable
  Instant no_idle_before_{};  // until then no flow can be idle enough to be evicted
  Scratch scratch_;           // one reply's payload
};

}  // namespace dashi
