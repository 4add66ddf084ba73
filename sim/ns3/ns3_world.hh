// An ns-3 world, without ns-3's headers: a guest with ns-3's TCP/IP behind the Nat, the Nat's host
// with ns-3's sockets, a WAN link, a router and a remote with servers, on one virtual clock and from
// one seed. Or, `direct`: the same internet with the guest's part played by the host itself, which is
// what the Nat is compared with.
//
// Verbs begin a task at the present virtual time and give its number; run() moves time; results are
// read at any time. Two worlds of one config run the same, bit for bit, and their digests say so.
// There may be one live ns-3 world in a process (ns-3 keeps globals): a second is an error of create.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/nat/nat.hh"
#include "sim/dhcp_client.hh"
#include "sim/digest.hh"
#include "sim/nat_driver.hh"
#include "sim/ns3/ns3_world_config.hh"
#include "sim/sim_link.hh"

namespace dashi {

struct Ns3WorldConfig {
  uint64_t seed = 1;
  bool direct = false;  // no guest and no Nat: tasks run on the host
  Ns3TopologyConfig internet;
  GuestLinkSpec guest_link;  // without offloads: ns-3 has none
  Config nat;
  bool guest_announces_mss = true;                  // ns-3's own TCP does not
  uint32_t tcp_buffer_bytes = 4u << 20;             // send and receive buffer of every ns-3 socket
  TcpCongestion congestion = TcpCongestion::kReno;  // of every ns-3 socket
  bool digests = true;
  DigestOptions digest;
  bool draw_batches = false;  // the driver's turns: see NatDriver
};

Result<Done, std::string> validate(const Ns3WorldConfig& config);

// One TCP connection of the guest's (or, inbound, of the remote's through a forwarded port).
struct Ns3Transfer {
  Family family = Family::kIpv4;
  uint64_t up_bytes = 0;          // from who connects
  uint64_t down_bytes = 0;        // to who connects
  bool answer_after_eof = false;  // the server sends when the client's FIN came (half close)
  bool ask_after_eof = false;     // the client sends when the server's FIN came
  bool client_finishes = false;   // FIN although it sends nothing, not only for the peer's FIN
  bool server_finishes = false;
  bool inbound = false;              // the remote connects to a forwarded port, the guest serves
  bool refused = false;              // to a port where nobody listens (inbound: in the guest)
  bool unreachable = false;          // to an address nobody can reach
  uint64_t server_aborts_after = 0;  // RST once it received so many bytes; 0: never
  uint64_t client_aborts_after = 0;
  Duration server_reads_late{};  // reads nothing for so long after it accepted: its window shuts
  Duration client_reads_late{};
};

struct Ns3Probes {
  Family family = Family::kIpv4;
  uint32_t count = 1;           // at most 65,535
  uint32_t payload_bytes = 56;  // 8 to 65,000
  Duration interval = 1s;
  uint8_t ttl = 0;          // 0: the guest's default
  bool to_gateway = false;  // ping the Nat itself
};

enum class Ns3TaskKind : uint8_t { kTransfer, kPing, kUdpEcho, kResolve };

// Bytes and times as the applications at both ends saw them.
struct Ns3TaskResult {
  Ns3TaskKind kind{};
  bool done = false;  // nothing more will happen
  bool ok = false;    // and all that was to happen did
  std::string error;  // what went wrong, in words
  std::optional<SocketError> client_failure;
  std::optional<SocketError> server_failure;
  Instant started;
  Instant connected = kNever;  // as the client saw it
  Instant first_byte = kNever;
  Instant finished = kNever;  // the last receiver had its last byte and FIN; or the last answer
  uint64_t up_bytes = 0;      // received by the server
  uint64_t down_bytes = 0;    // received by the client
  bool up_right = true;       // of those, every one is what was sent
  bool down_right = true;
  bool accepted = false;  // the server had a connection
  bool client_eof = false;
  bool server_eof = false;
  uint32_t sent = 0;  // probes
  uint32_t answered = 0;
  std::vector<Duration> round_trips;
  std::optional<NetError> net_error;  // the first the guest's prober was told
  std::vector<IpAddress> addresses;   // of the name
};

struct Ns3LinkCounts {
  uint64_t packets = 0;  // that arrived, both directions
  uint64_t bytes = 0;
  uint64_t lost = 0;     // to faults
  uint64_t dropped = 0;  // by queue discs
};

class Ns3World {
 public:
  using TaskId = uint32_t;
  static constexpr Duration kBoot = 5s;  // when create returns: addresses are configured by then
  static constexpr Duration kBootLimit = 120s;  // or later, on a bad link; after this it fails

  // Or what is wrong, in words.
  static Result<std::unique_ptr<Ns3World>, std::string> create(const Ns3WorldConfig& config);
  ~Ns3World();
  Ns3World(const Ns3World&) = delete;
  Ns3World& operator=(const Ns3World&) = delete;

  // --- Verbs ---
  TaskId transfer(const Ns3Transfer& transfer);
  TaskId download(Family family, uint64_t bytes);
  TaskId upload(Family family, uint64_t bytes);
  TaskId ping(const Ns3Probes& probes);
  TaskId udp_echo(const Ns3Probes& probes);
  // Asks the gateway's DNS for the name's addresses of that family: of "server.example", which is the
  // remote, and of no other. Not when direct.
  TaskId resolve(const std::string& name, Family family);

  // --- Time ---
  Instant now() const;
  // Until every task is done (true), or `until` (then false if one is not).
  bool run(Instant until);
  // The same, or `events` more have run, or none is left; with `whatever`, on to `until` even when every
  // task is done. True: there is more to do.
  bool run_some(Instant until, bool whatever, uint64_t events);
  // Whatever is done: to let timers go by.
  void run_for(Duration duration);
  bool all_done() const;

  // --- Results ---
  const Ns3TaskResult& result(TaskId task) const;
  size_t tasks() const;
  Hash128 digest_value() const;
  Digest& digest();
  Counters counters() const;  // all zero when direct
  FlowCounts flow_counts() const;
  Ns3LinkCounts wan() const;
  GuestLinkCounts guest_link() const;
  std::string dump() const;         // the Nat's flows
  size_t host_sockets() const;      // open ones of the Nat's
  uint64_t damaged_frames() const;  // that the guest's card dropped
  IpAddress guest_address(Family family) const;
  const DhcpRecord& lease() const;  // what DHCP gave the guest; not when direct
  uint64_t events_run() const;
  // What no run may do, whatever its faults, and this one did.
  std::vector<std::string> violations() const;

  // --- The Nat ---
  Nat* nat();  // null when direct
  // A capture decorates the Nat's Env. Before any verb: the Nat is made anew, and boots again.
  bool decorate(const std::function<Env(const Env&)>& wrap, DriverHooks hooks);
  // Replaces the Nat by restore(save()), its sockets handed over. False: it did not restore.
  bool save_and_restore_nat();
  // Sees every IP packet that came over the WAN, to the host (inward) or to the router, as it arrives.
  void observe_wan(std::function<void(Instant, bool inward, Bytes packet)> observer);

 private:
  struct Impl;
  explicit Ns3World(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dashi
