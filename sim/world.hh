// A native world: a Nat, its guest, the wire between them, its host's sockets, and the internet behind
// those, all on one event queue and from one seed. Two worlds of one config are equal to the last bit,
// and their digests say so. It drives the Nat by the one loop and watches it: violations() names what
// no run may do, whatever its faults.
//
// A world moves only when run; it may be looked at in between.
#pragma once

#include <memory>

#include "core/nat/nat.hh"
#include "sim/nat_driver.hh"
#include "sim/nat_oracle.hh"
#include "sim/scripted_guest.hh"
#include "sim/segment_oracle.hh"
#include "sim/sim_apps.hh"
#include "sim/sim_sockets.hh"
#include "sim/tcp_guest.hh"

namespace dashi {

struct WorldConfig {
  uint64_t seed = 1;
  Config nat;
  NetSpec net = standard_net();
  SocketFaults socket_faults;
  GuestLinkSpec link;
  GuestSpec guest;
  bool scripted = false;         // a ScriptedGuest in place of the TcpGuest
  bool static_addresses = true;  // the guest's IPv4 from nat.topology; else by DHCP
  bool draw_batches = false;
  Duration turns_late{};  // at most: how long input waits for the Nat's turn
  std::vector<Forward> forwards;
  bool record_faults = false;                              // keep the decisions: World::faults()
  std::optional<std::vector<FaultDecision>> given_faults;  // do exactly these
  bool digests = true;
  DigestOptions digest;
};

class World {
 public:
  explicit World(const WorldConfig& config);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // --- Time ---
  Instant now() const { return queue_.now(); }
  void run_until(Instant until) { queue_.run_until(until); }
  void run_for(Duration duration) { queue_.run_until(queue_.now() + duration); }
  // Runs until `done` holds, looked at after every event; false when `limit` has passed first.
  bool run_until_done(const std::function<bool()>& done, Duration limit);
  // Until the guest has its addresses.
  bool configure(Duration limit);

  // --- What it is made of ---
  EventQueue& queue() { return queue_; }
  Nat& nat() { return *nat_; }
  TcpGuest& guest() { return *guest_; }
  ScriptedGuest& script() { return *script_; }
  SimNet& net() { return net_; }
  SimApps& apps() { return apps_; }
  SimSockets& sockets() { return sockets_; }
  SimLink& link() { return link_; }
  NatDriver& driver() { return driver_; }
  Digest& digest() { return digest_; }
  FaultPlan& faults() { return faults_; }
  const WorldConfig& config() const { return config_; }
  // Where a forward listens, in the order of WorldConfig::forwards.
  const std::vector<Endpoint>& forwarded() const { return forwarded_; }
  IpAddress address(const char* host, Family family) const;  // of a host, by its name

  // --- The Nat as data ---
  // The Nat's Env; a capture decorates it. Must be called before anything runs: it makes a new Nat.
  void decorate(const std::function<Env(const Env&)>& wrap, DriverHooks hooks);
  std::vector<uint8_t> save_nat() const;
  // Replaces the Nat by restore(save()), its sockets handed over. Nothing in the world may notice.
  void save_restore_nat();

  // --- Oracles ---
  NatOracle& oracle() { return oracle_; }
  // Whether frames of this direction of the guest's link may be changed on their way.
  bool faults_may_damage(uint32_t stream) const;
  // What went wrong that never may; empty if nothing did.
  std::vector<std::string> violations();
  // After all applications ended: runs on until every timer must have gone by, then names what is
  // still there.
  std::vector<std::string> leaks(Duration settle);

 private:
  class SimEntropy final : public Entropy {
   public:
    SimEntropy(World& world, uint64_t seed) : world_(world), prng_(seed, "entropy", 0) {}
    uint64_t next_u64() override;

   private:
    World& world_;
    Prng prng_;
  };
  class DigestTrace final : public Trace {
   public:
    explicit DigestTrace(World& world) : world_(world) {}
    void record(const TraceEvent& event) override;

   private:
    World& world_;
  };

  static FaultPlan plan_for(const WorldConfig& config);
  static GuestSpec guest_for(const WorldConfig& config);
  Env own_env() { return {link_, sockets_, entropy_, trace_}; }
  void make_nat();
  void observe_all();
  bool faults_may_reorder() const;
  void compare_byte_counts(std::vector<std::string>& found) const;

  WorldConfig config_;
  EventQueue queue_;
  Digest digest_;
  FaultPlan faults_;
  NatOracle oracle_;
  SegmentOracle segments_;
  SimLink link_;
  SimNet net_;
  SimSockets sockets_;
  SimApps apps_;
  SimEntropy entropy_;
  DigestTrace trace_;
  std::optional<Env> decorated_;
  NatDriver driver_;
  std::unique_ptr<TcpGuest> guest_;
  std::unique_ptr<ScriptedGuest> script_;
  std::vector<Endpoint> forwarded_;
  std::unique_ptr<Nat> nat_;  // last: it is destroyed first
};

}  // namespace dashi
