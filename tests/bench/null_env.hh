// The parts of an Env that cost nothing and say nothing, for benchmarks: what is measured is the core alone.
#pragma once

#include "core/env/entropy.hh"
#include "core/env/sockets.hh"
#include "core/env/trace.hh"

namespace dashi {

// Refuses everything but what a benchmark overrides.
class NullSockets : public Sockets {
 public:
  Result<std::unique_ptr<StreamSocket>, SocketError> connect(const Endpoint&, const ConnectOptions&,
                                                             FlowId) override {
    return SocketError::kNotSupported;
  }
  Result<std::unique_ptr<Listener>, SocketError> listen(const Endpoint&, FlowId) override {
    return SocketError::kNotSupported;
  }
  Result<std::unique_ptr<DatagramSocket>, SocketError> open_datagram(const Endpoint&,
                                                                     FlowId) override {
    return SocketError::kNotSupported;
  }
  Result<std::unique_ptr<EchoSocket>, SocketError> open_echo(Family, FlowId) override {
    return SocketError::kNotSupported;
  }
  std::unique_ptr<StreamSocket> adopt_stream(FlowId) override { return nullptr; }
  std::unique_ptr<Listener> adopt_listener(FlowId) override { return nullptr; }
  std::unique_ptr<DatagramSocket> adopt_datagram(FlowId) override { return nullptr; }
  std::unique_ptr<EchoSocket> adopt_echo(FlowId) override { return nullptr; }
};

class CountingEntropy final : public Entropy {
 public:
  uint64_t next_u64() override { return state_ += 0x9e3779b97f4a7c15; }

 private:
  uint64_t state_ = 1;
};

class NullTrace final : public Trace {
 public:
  void record(const TraceEvent&) override {}
};

}  // namespace dashi
