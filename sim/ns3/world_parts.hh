// The inside of an Ns3World: what it is made of and its tasks. Only ns3_world*.cc include it.
#pragma once

#include <ns3/queue-item.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/nat_oracle.hh"
#include "sim/ns3/apps.hh"
#include "sim/ns3/guest_node.hh"
#include "sim/ns3/ns3_world.hh"
#include "sim/ns3/simulation.hh"
#include "sim/ns3/sockets.hh"
#include "sim/ns3/topology.hh"

namespace dashi {

struct Ns3Task {
  Ns3TaskResult result;
  Ns3Transfer transfer;
  std::unique_ptr<StreamServer> server;
  std::unique_ptr<StreamEnd> client;
  std::unique_ptr<Prober> prober;
  std::unique_ptr<NameQuery> query;
};

struct Ns3World::Impl {
  class SeededEntropy final : public Entropy {
   public:
    explicit SeededEntropy(uint64_t seed) : prng_(seed, "entropy", 0) {}
    uint64_t next_u64() override { return prng_.next_u64(); }

   private:
    Prng prng_;
  };
  class DigestTrace final : public Trace {
   public:
    explicit DigestTrace(Impl& world) : world_(world) {}
    void record(const TraceEvent& event) override;

   private:
    Impl& world_;
  };

  explicit Impl(const Ns3WorldConfig& world_config);
  ~Impl();

  // --- ns3_world.cc ---
  void watch_wan();
  void packet_arrived(uint32_t where, ns3::Ptr<const ns3::Packet> packet);
  void packet_lost(ns3::Ptr<const ns3::Packet> packet);
  void packet_dropped(ns3::Ptr<const ns3::QueueDiscItem> item);
  Env own_env() { return {*link, *sockets, entropy, trace}; }
  void make_nat();
  std::optional<std::string> boot();
  ns3::Ptr<ns3::Node> client_node() const;
  EchoHub& client_hub(Family family);
  HostTcpOptions tcp_options(Family family) const;

  // --- ns3_world_tasks.cc ---
  TaskId add(Ns3TaskKind kind);
  void start_transfer(Ns3Task& task, TaskId id);
  void start_probes(TaskId id, const Ns3Probes& probes, const Endpoint& remote, EchoHub* hub);
  void changed(TaskId id);
  void update_transfer(Ns3Task& task);
  void update_probes(Ns3Task& task);
  void start_query(TaskId id, const std::string& name, Family family);
  void update_query(Ns3Task& task);
  void finish(Ns3Task& task, const std::string& error);
  void digest_result(TaskId id, const Ns3Task& task);

  Ns3WorldConfig config;
  EventQueue queue;
  Digest digest;
  SeededEntropy entropy;
  Prng transactions;  // DHCP's
  DigestTrace trace;
  NatOracle oracle;
  Ns3Simulation simulation;
  Ns3Topology topology;
  std::unique_ptr<SimLink> link;  // these, null when direct
  std::unique_ptr<Ns3Guest> guest;
  std::unique_ptr<Ns3Sockets> sockets;
  std::unique_ptr<NatDriver> driver;
  std::optional<Env> decorated;
  std::unique_ptr<Nat> nat;
  std::unique_ptr<EchoHub> hub_v4;
  std::unique_ptr<EchoHub> hub_v6;
  std::unique_ptr<UdpEchoServer> udp_echo_v4;
  std::unique_ptr<UdpEchoServer> udp_echo_v6;
  std::unique_ptr<NameServer> names;
  std::function<void(Instant, bool, Bytes)> wan_observer;
  std::vector<uint8_t> scratch;
  Ns3LinkCounts wan;
  std::vector<std::unique_ptr<Ns3Task>> tasks;
  size_t tasks_open = 0;
};

}  // namespace dashi
