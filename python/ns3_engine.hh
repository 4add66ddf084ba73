// The ns-3 engine of the Python package: verbs over an Ns3World, with ns-3's own TCP at both ends. The
// guest has its addresses, by DHCP and SLAAC, before the first verb begins.
//
// It owns the world and what it captures. One live at a time in a process. Not thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "python/engine.hh"
#include "python/world_capture.hh"
#include "sim/ns3/ns3_world.hh"

namespace dashi::python {

class Ns3Engine {
 public:
  static constexpr const char* kName = "ns3";

  explicit Ns3Engine(const EngineConfig& config);  // throws ConfigError, WorldError
  ~Ns3Engine();

  // --- Verbs; each gives its number ---
  uint32_t download(uint64_t bytes, Family family);
  uint32_t upload(uint64_t bytes, Family family);
  uint32_t ping(const EchoesSpec& spec);
  uint32_t udp_echo(const EchoesSpec& spec);
  uint32_t resolve(const std::string& name, Family family);
  uint32_t dhcp();

  // Runs at most `events` events, until every verb is done, or to `until`; with `whatever`, to `until`
  // even when every verb is done.
  RunEnd run_slice(Instant until, bool whatever, uint64_t events);

  VerbResult result(uint32_t verb);
  int64_t now_ns() const { return nanoseconds(world_->now()); }
  uint64_t events() const { return world_->events_run(); }
  std::string digest() const { return to_string(world_->digest_value()); }
  const Counters& counters();
  std::string dump() const { return world_->dump(); }
  std::vector<std::string> violations() const { return world_->violations(); }
  void capture(const std::string& path);  // throws WorldError; before any verb
  void flush_capture();

 private:
  void begin();
  uint32_t add(Ns3World::TaskId task, uint64_t bytes);
  Ns3Probes probes(const EchoesSpec& spec) const;

  struct Verb {
    std::optional<Ns3World::TaskId> task;  // none: dhcp
    uint64_t bytes = 0;
  };

  std::unique_ptr<WorldCapture> capture_;
  std::unique_ptr<Ns3World> world_;
  EngineConfig config_;
  Counters counters_;
  bool begun_ = false;  // the Nat is made for good
  std::vector<Verb> verbs_;
};

}  // namespace dashi::python
