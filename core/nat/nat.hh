// The NAT of one guest link: the only class a driver sees.
//
// A driver owns the clock and the loop. Each turn it waits for input or next_deadline(), reads its
// clock once, and with that one `now` calls handle_* for what came in, then handle_timers, then
// flush. `now` never goes back. The Nat calls nobody back; what it wants it does through Env.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/base/archive.hh"
#include "core/env/env.hh"
#include "core/flow/counters.hh"
#include "core/nat/config.hh"
#include "core/tcp/guest_tcp_info.hh"

namespace dashi {

struct Rooms;  // rooms.hh: what a Nat is made of

enum class RestoreError : uint8_t {
  kWrongVersion,
  kUnreadable,     // cut short, damaged, or saved under limits that do not fit this configuration's
  kSocketMissing,  // Sockets could not adopt the socket of a saved flow
};

class Nat {
 public:
  // `config` must have passed validate(). Env's members outlive the Nat.
  Nat(const Config& config, Env env);
  ~Nat();
  Nat(const Nat&) = delete;
  Nat& operator=(const Nat&) = delete;

  // --- Inputs ---
  void handle_frames(Instant now, std::span<const GuestFrame> frames);  // borrowed until return
  void handle_sockets(Instant now, std::span<const SocketEvent> events);
  void handle_guest_writable(Instant now);  // the guest link has room again
  void handle_timers(Instant now);
  void flush(Instant now);  // work that waited for the end of the turn, then GuestLink::flush

  // When to come back at the latest: `now` while work remains, empty when there is nothing to wait
  // for.
  std::optional<Instant> next_deadline() const;

  // --- Commands ---
  // Listens on the host and forwards to the guest's address and port. Gives the host endpoint, with
  // the port the host chose if 0 was asked for; kAddressInUse if it is taken, kTooManySockets at
  // the limit.
  Result<Endpoint, SocketError> add_forward(Instant now, const Forward& forward);
  Result<Done, SocketError> remove_forward(Instant now, ForwardProtocol protocol,
                                           const Endpoint& host);
  void set_resolvers(Instant now, std::span<const Endpoint> resolvers);
  // A static record at the gateway's DNS; replaces the name's records of that family.
  Result<Done, DnsRecordError> set_record(const std::string& name,
                                          std::span<const IpAddress> addresses);
  void remove_record(const std::string& name);
  // Whether the host has a default IPv6 route: the RA's router lifetime follows it.
  void set_host_ipv6(Instant now, bool has_default_route);
  // The guest went away and another may come: learned addresses and all flows are forgotten, host
  // connections are aborted; forwards, resolvers and records stay.
  void restart_link(Instant now);
  // The driver ends: host connections that were not passed the whole of what their guest sent, its FIN
  // included, are aborted, so that no server takes a part for the whole. The others close as the Nat
  // goes.
  void abort_unfinished(Instant now);

  // --- Getters ---
  const Counters& counters() const;
  FlowCounts flow_counts() const;
  // One line a flow: state by its RFC name, sequence numbers, windows, RTO, queues.
  std::string dump(Instant now) const;
  // Of the guest's TCP connection between these ends, the remote one as the guest sees it.
  std::optional<GuestTcpInfo> tcp_info(const Endpoint& guest, const Endpoint& remote) const;
  // What may never be true between two turns and is, a line each; empty unless the core has a defect.
  // For simulated worlds: it looks at every connection.
  std::string audit() const;

  // --- State as data ---
  void save(Sink& sink) const;
  static Result<std::unique_ptr<Nat>, RestoreError> restore(Source& source, const Config& config,
                                                            Env env);

 private:
  explicit Nat(std::unique_ptr<Rooms> rooms);

  std::unique_ptr<Rooms> rooms_;
};

}  // namespace dashi
