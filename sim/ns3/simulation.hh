// The one live ns-3 simulation of a process. ns-3 keeps its nodes, clock and chance in globals, so
// there can be only one; this object stands for it, puts it on our queue, and clears all of it when
// destroyed, so that the next one begins exactly as the first did. It owns nothing that it simulates.
#pragma once

#include <ns3/node-container.h>

#include "sim/ns3/simulator_impl.hh"

namespace dashi {

class Ns3Simulation {
 public:
  // True while there is one: another may not be made.
  static bool live();

  // `seed` chooses ns-3's random streams. The queue outlives this, and nothing runs on it after.
  Ns3Simulation(EventQueue& queue, uint64_t seed);
  ~Ns3Simulation();
  Ns3Simulation(const Ns3Simulation&) = delete;
  Ns3Simulation& operator=(const Ns3Simulation&) = delete;

  QueueSimulator& simulator() { return *simulator_; }
  EventQueue& queue() { return queue_; }

  // IPv4 and IPv6 with TCP, UDP and ICMP on each node; every random stream of it is assigned, so that
  // no stream depends on what was simulated before.
  void install_internet(const ns3::NodeContainer& nodes);
  int64_t next_stream() const { return next_stream_; }
  void use_streams(int64_t n) { next_stream_ += n; }

 private:
  EventQueue& queue_;
  ns3::Ptr<QueueSimulator> simulator_;
  int64_t next_stream_ = 1;
};

}  // namespace dashi
