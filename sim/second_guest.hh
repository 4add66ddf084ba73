// A second guest of a world's host: a link, a Nat and a driver of its own, over the same host's sockets and the same
// internet. The two Nats share nothing but those, as two `dashi` of one machine do. A scripted guest speaks on
// the link. What it adds to a world is not in the world's digest and not watched by its oracle.
#pragma once

#include "sim/world.hh"

namespace dashi {

class SecondGuest {
 public:
  SecondGuest(World& world, const Config& nat, const GuestLinkSpec& link);
  ~SecondGuest();
  SecondGuest(const SecondGuest&) = delete;
  SecondGuest& operator=(const SecondGuest&) = delete;

  ScriptedGuest& script() { return script_; }
  Nat& nat() { return *nat_; }
  SimLink& link() { return link_; }
  NatDriver& driver() { return driver_; }

 private:
  // The host's sockets, with this guest's names of flows apart from the first's.
  class NamedSockets final : public Sockets {
   public:
    explicit NamedSockets(Sockets& host) : host_(host) {}
    Result<std::unique_ptr<StreamSocket>, SocketError> connect(const Endpoint& remote,
                                                               const ConnectOptions& options,
                                                               FlowId id) override;
    Result<std::unique_ptr<Listener>, SocketError> listen(const Endpoint& local,
                                                          FlowId id) override;
    Result<std::unique_ptr<DatagramSocket>, SocketError> open_datagram(const Endpoint& local,
                                                                       FlowId id) override;
    Result<std::unique_ptr<EchoSocket>, SocketError> open_echo(Family family, FlowId id) override;
    std::unique_ptr<StreamSocket> adopt_stream(FlowId) override { return nullptr; }
    std::unique_ptr<Listener> adopt_listener(FlowId) override { return nullptr; }
    std::unique_ptr<DatagramSocket> adopt_datagram(FlowId) override { return nullptr; }
    std::unique_ptr<EchoSocket> adopt_echo(FlowId) override { return nullptr; }

   private:
    Sockets& host_;
  };
  class NamedListener;
  class OwnEntropy final : public Entropy {
   public:
    explicit OwnEntropy(uint64_t seed) : prng_(seed, "second guest", 0) {}
    uint64_t next_u64() override { return prng_.next_u64(); }

   private:
    Prng prng_;
  };
  class NoTrace final : public Trace {
   public:
    void record(const TraceEvent&) override {}
  };

  SimLink link_;
  NamedSockets sockets_;
  OwnEntropy entropy_;
  NoTrace trace_;
  NatDriver driver_;
  ScriptedGuest script_;
  std::unique_ptr<Nat> nat_;  // last: it is destroyed first
};

}  // namespace dashi
