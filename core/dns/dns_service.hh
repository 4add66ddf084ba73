// The gateway's DNS: port 53 of every address of the gateway, over UDP and TCP. The one class of this
// folder that the Nat sees.
//
// Each turn the Nat hands in what came, then timers, then flush(); dns/ is flushed before tcp/, and
// take_event() is drained into tcp/ in between, so that an answer leaves in the turn it came. tcp/
// owns the streams it was given; the service must outlive tcp/.
//
// Restoring: this first, then tcp/, which adopts its streams; those nobody adopted end at the next
// flush.
#pragma once

#include <string>
#include <vector>

#include "core/dns/answerer.hh"
#include "core/dns/tcp_front.hh"
#include "core/dns/udp_front.hh"

namespace dashi {

class DnsService {
 public:
  // `config` must have passed validate() and outlive this. `index_key` is drawn from Entropy.
  DnsService(const DnsConfig& config, FlowContext& context, SipKey index_key);
  DnsService(const DnsService&) = delete;
  DnsService& operator=(const DnsService&) = delete;

  static Result<Done, DnsRecordError> validate(const DnsConfig& config, const Limits& limits);

  // --- Inputs ---
  void handle_packet(Instant now, const Packet& packet);      // UDP to port 53 of the gateway
  void handle_socket(Instant now, const SocketEvent& event);  // of kDnsUdp and kDnsTcp
  void handle_timers(Instant now);
  void flush(Instant now);
  Instant next_deadline() const;

  // --- Commands ---
  void set_resolvers(Instant now, std::span<const Endpoint> resolvers);
  Result<Done, DnsRecordError> set_record(std::string_view name,
                                          std::span<const IpAddress> addresses);
  bool remove_record(std::string_view name);
  // Whatever was asked is forgotten and every stream reset; servers and records stay.
  void restart_link(Instant now);

  // --- For tcp/ ---
  LocalStreams& streams() { return tcp_; }
  // The next event of a stream, under tcp/'s FlowId; false when there is none.
  bool take_event(SocketEvent& event) { return tcp_.take_event(event); }

  // --- Getters ---
  uint32_t size() const { return resolver_.size(); }  // queries that wait
  uint32_t stream_count() const { return tcp_.size(); }
  void dump(std::string& to, Instant now) const;

  void save(ArchiveWriter& ar) const;
  bool restore(ArchiveReader& ar);

 private:
  void deliver(Instant now);

  Scratch scratch_{kDnsMessageBytesMax};  // of the fronts
  StaticRecords records_;
  Resolver resolver_;
  Answerer answerer_;
  UdpFront udp_;
  TcpFront tcp_;
};

}  // namespace dashi
