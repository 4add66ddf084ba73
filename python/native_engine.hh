// The native engine of the Python package: verbs over a World. The guest gets its addresses by DHCP and
// SLAAC when the experiment first runs; verbs begin then, or at once if it has run before.
//
// It owns the world and what it captures. Not thread-safe: one caller at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "python/engine.hh"
#include "python/world_capture.hh"
#include "sim/world.hh"

namespace dashi::python {

class NativeEngine {
 public:
  static constexpr const char* kName = "native";

  explicit NativeEngine(const EngineConfig& config);  // throws ConfigError
  ~NativeEngine();

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
  uint64_t events() { return world_->queue().events_run(); }
  std::string digest() { return to_string(world_->digest().value()); }
  const Counters& counters() { return world_->nat().counters(); }
  std::string dump() { return world_->nat().dump(world_->now()); }
  std::vector<std::string> violations() { return world_->violations(); }
  void capture(const std::string& path);  // throws WorldError; before anything ran
  void flush_capture();

 private:
  enum class Kind : uint8_t { kDownload, kUpload, kPing, kUdpEcho, kResolve, kDhcp };
  struct Verb {
    Kind kind{};
    uint64_t bytes = 0;
    Family family = Family::kIpv4;
    EchoesSpec echoes;
    std::string name;
    bool started = false;
    bool done = false;
    Instant start;
    Instant last_sent;            // echoes: when the last request went
    uint32_t flow = 0;            // transfers: of the guest's TCP
    uint32_t sent = 0;            // echoes
    std::vector<uint32_t> pings;  // of the guest's records
    std::vector<Instant> sent_at;
    Port local;          // UDP echo
    uint32_t query = 0;  // resolve
    uint32_t queries_sent = 0;
  };

  void begin();
  uint32_t add(Verb verb);
  void start(uint32_t verb);
  void start_transfer(uint32_t index);
  void send_echo(uint32_t index);
  void ask(uint32_t index);
  bool is_done(Verb& verb);
  bool all_answered(const Verb& verb);
  bool all_done();
  bool ready();
  IpAddress target(const Verb& verb) const;
  void echo_result(const Verb& verb, VerbResult& result);
  void transfer_result(const Verb& verb, uint32_t index, VerbResult& result);
  void resolve_result(const Verb& verb, VerbResult& result);

  std::unique_ptr<WorldCapture> capture_;
  std::unique_ptr<World> world_;
  uint64_t seed_;
  bool begun_ = false;       // the Nat is made for good
  bool started_ = false;     // the guest asks for addresses
  bool configured_ = false;  // and has them
  std::vector<Verb> verbs_;
  size_t done_before_ = 0;  // every verb below this is done
};

}  // namespace dashi::python
