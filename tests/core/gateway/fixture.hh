// A gateway service's surroundings for unit tests: a guest link that keeps frames, sockets that are
// never asked, counted entropy, a trace that keeps drops; and frames from the guest, parsed as
// dispatch would.
#pragma once

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "core/flow/context.hh"
#include "core/gateway/gateway_config.hh"
#include "tests/support/guest_frames.hh"

namespace dashi::test {

// Keeps every committed frame; `room` frames more are taken, then there is back-pressure.
class KeepingLink : public GuestLink {
 public:
  LinkLimits limits() const override { return {mtu, 0, false, false}; }
  std::span<const FrameSlot> reserve(size_t count, size_t bytes_each) override {
    BOOST_REQUIRE(count == 1);
    if (room == 0) return {};
    buffer_.assign(bytes_each, 0xee);
    slot_ = {buffer_, {}};
    return {&slot_, 1};
  }
  void commit(std::span<const Filled> filled) override {
    if (filled.empty()) return;
    BOOST_REQUIRE(filled.size() == 1);
    BOOST_REQUIRE(filled[0].bytes <= buffer_.size());
    buffer_.resize(filled[0].bytes);
    frames.push_back(buffer_);
    --room;
  }
  void flush() override {}

  uint32_t mtu = 1500;
  size_t room = 1000000;
  std::vector<ByteVector> frames;

 private:
  ByteVector buffer_;
  FrameSlot slot_;
};

class NoSockets : public Sockets {
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

// splitmix64 from a fixed seed.
class SeededEntropy : public Entropy {
 public:
  uint64_t next_u64() override {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }

 private:
  uint64_t state_ = 1;
};

class KeepingTrace : public Trace {
 public:
  void record(const TraceEvent& event) override {
    if (event.kind == TraceEvent::Kind::kDrop) {
      drops.push_back(static_cast<DropReason>(event.code));
    }
  }
  std::vector<DropReason> drops;
};

class BytesSink : public Sink {
 public:
  void put(Bytes more) override { append(bytes, more); }
  ByteVector bytes;
};

class BytesSource : public Source {
 public:
  explicit BytesSource(Bytes bytes) : rest_(bytes) {}
  bool get(MutableBytes to) override {
    if (to.size() > rest_.size()) return false;
    copy_bytes(to, rest_);
    rest_ = rest_.subspan(to.size());
    return true;
  }
  bool empty() const { return rest_.empty(); }

 private:
  Bytes rest_;
};

inline const MacAddress kGuestMac{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};
inline const Ipv4Address kGuestV4{{10, 0, 0, 2}};
inline const Ipv4Address kGatewayV4{{10, 0, 0, 1}};

inline Ipv4Address v4(std::string_view address) { return parse_ipv4(address).value(); }
inline Ipv6Address v6(std::string_view address) { return parse_ipv6(address).value(); }

// What one guest frame led to.
struct Outcome {
  std::vector<ByteVector> frames;
  std::vector<DropReason> drops;

  bool silent_with(DropReason reason) const {
    return frames.empty() && drops.size() == 1 && drops[0] == reason;
  }
  // One handler a frame: an answer and no drop, or no answer and one drop.
  bool is_handled_once() const { return frames.empty() == (drops.size() == 1); }
};

class GatewayFixture {
 public:
  GatewayFixture() : context{topology, limits, guest, counters, writer, env} {
    BOOST_REQUIRE(guest.check_mac(kGuestMac).ok());
  }

  // What a handler made of the frame. `Handler` has handle_packet(Instant, const Packet&).
  template <typename Handler>
  Outcome feed(Handler& handler, const ByteVector& frame) {
    Packet packet;
    const Result<Done, DropReason> parsed = parse(frame, {}, topology.mtu, packet);
    if (!parsed) return {{}, {parsed.error()}};
    handler.handle_packet(at, packet);
    return taken();
  }
  // What came out since the last time.
  Outcome taken() {
    Outcome outcome{std::move(link.frames), std::move(trace.drops)};
    link.frames.clear();
    trace.drops.clear();
    return outcome;
  }

  Topology topology;
  Limits limits;
  GatewayConfig config;
  Counters counters;
  KeepingLink link;
  NoSockets sockets;
  SeededEntropy entropy;
  KeepingTrace trace;
  Guest guest{topology, 16};
  FrameWriter writer{link, topology, guest, counters};
  Env env{link, sockets, entropy, trace};
  FlowContext context;
  Instant at = Instant(1000s);
};

}  // namespace dashi::test
