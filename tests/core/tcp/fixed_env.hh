// A world that allocates nothing once it is set up: fixed frames out, sockets that take and give bytes of
// no meaning. For counting the allocations of the core alone.
#pragma once

#include <array>
#include <cstddef>
#include <cstdlib>
#include <memory>

#include "core/env/env.hh"
#include "core/wire/tcp.hh"

namespace dashi::test {

class FixedLink final : public GuestLink {
 public:
  LinkLimits link_limits;
  size_t committed = 0;
  size_t bytes = 0;
  std::array<uint8_t, 128> last{};  // the head of the newest frame
  size_t last_bytes = 0;

  LinkLimits limits() const override { return link_limits; }
  std::span<const FrameSlot> reserve(size_t frames, size_t bytes_each) override {
    const size_t n = std::min(frames, slots_.size());
    for (size_t i = 0; i < n; ++i) slots_[i].head = MutableBytes(buffers_[i]).first(bytes_each);
    return std::span<const FrameSlot>(slots_).first(n);
  }
  void commit(std::span<const Filled> filled) override {
    for (size_t i = 0; i < filled.size(); ++i) {
      ++committed;
      bytes += filled[i].bytes;
      last_bytes = filled[i].bytes;
      copy_bytes(last, slots_[i].head);
    }
  }
  void flush() override {}

 private:
  std::array<std::array<uint8_t, 66'000>, 32> buffers_{};
  std::array<FrameSlot, 32> slots_{};
};

struct FixedState {
  FlowId id;
  size_t available = 0;  // bytes the host has to give
  size_t written = 0;
  size_t write_room = ~size_t{0};
  size_t sent = 0;     // datagrams or echoes
  size_t waiting = 0;  // the same, to be received
  size_t reply_bytes = 100;
  Endpoint remote;
  std::array<uint8_t, 128> last_sent{};  // the head of the newest datagram
  size_t last_sent_bytes = 0;
  bool resolves = false;  // what is received is the newest datagram, marked as a DNS answer to it
};

class FixedStream final : public StreamSocket {
 public:
  explicit FixedStream(FixedState& state) : state_(state) {}
  Result<Peeked, SocketError> peek(size_t offset, std::span<const MutableBytes> into) override {
    size_t left = state_.available > offset ? state_.available - offset : 0;
    if (left == 0) return SocketError::kWouldBlock;
    Peeked out;
    for (const MutableBytes& piece : into) {
      const size_t n = std::min(left, piece.size());
      out.bytes += n;
      left -= n;
    }
    return out;
  }
  void consume(size_t n) override { state_.available -= n; }
  Result<size_t, SocketError> write(std::span<const Bytes> from) override {
    size_t taken = 0;
    for (const Bytes& piece : from) taken += std::min(piece.size(), state_.write_room - taken);
    if (state_.write_room != ~size_t{0}) state_.write_room -= taken;
    state_.written += taken;
    if (taken == 0) return SocketError::kWouldBlock;
    return taken;
  }
  void shutdown_write() override {}
  void abort() override {}
  HostTcpInfo info() const override { return {}; }
  Endpoint local() const override { return {}; }

 private:
  FixedState& state_;
};

class FixedDatagram final : public DatagramSocket {
 public:
  explicit FixedDatagram(FixedState& state) : state_(state) {}
  Result<size_t, SocketError> send(std::span<const OutDatagram> datagrams) override {
    state_.remote = datagrams.back().remote;
    state_.last_sent_bytes = copy_bytes(state_.last_sent, datagrams.back().payload);
    state_.sent += datagrams.size();
    return datagrams.size();
  }
  Result<size_t, SocketError> receive(std::span<InDatagram> datagrams) override {
    size_t n = 0;
    for (; n < datagrams.size() && state_.waiting != 0; ++n, --state_.waiting) {
      datagrams[n].size = std::min(state_.reply_bytes, datagrams[n].buffer.size());
      if (state_.resolves) datagrams[n].size = answer(datagrams[n].buffer);
      datagrams[n].truncated = false;
      datagrams[n].segment_size = 0;
      datagrams[n].remote = state_.remote;
      datagrams[n].local = {};
      datagrams[n].ttl = 60;
      datagrams[n].tos = 0;
    }
    if (n == 0) return SocketError::kWouldBlock;
    return n;
  }
  Endpoint local() const override { return {}; }

  // From a place kept for it: a socket for each DNS query is the world's affair, and costs nothing here.
  static void* operator new(std::size_t size) {
    for (Place& place : places) {
      if (place.taken || size > sizeof place.bytes) continue;
      place.taken = true;
      return place.bytes;
    }
    std::abort();
  }
  static void operator delete(void* p) {
    for (Place& place : places) place.taken = place.taken && place.bytes != p;
  }

 private:
  struct Place {
    alignas(std::max_align_t) unsigned char bytes[64];
    bool taken;
  };
  static inline std::array<Place, 8> places;  // none taken at first

  size_t answer(MutableBytes into) const {
    const size_t n = copy_bytes(into, Bytes(state_.last_sent).first(state_.last_sent_bytes));
    into[2] = 0x81;
    into[3] = 0x80;
    return n;
  }
  FixedState& state_;
};

class FixedEcho final : public EchoSocket {
 public:
  explicit FixedEcho(FixedState& state) : state_(state) {}
  Result<size_t, SocketError> send(std::span<const OutEcho> echoes) override {
    state_.remote.address = echoes.back().remote;
    sequence_ = echoes.back().sequence;
    state_.sent += echoes.size();
    return echoes.size();
  }
  Result<size_t, SocketError> receive(std::span<InEcho> echoes) override {
    size_t n = 0;
    for (; n < echoes.size() && state_.waiting != 0; ++n, --state_.waiting) {
      echoes[n].size = std::min(state_.reply_bytes, echoes[n].buffer.size());
      echoes[n].truncated = false;
      echoes[n].remote = state_.remote.address;
      echoes[n].sequence = sequence_;
      echoes[n].ttl = 60;
      echoes[n].tos = 0;
    }
    if (n == 0) return SocketError::kWouldBlock;
    return n;
  }

 private:
  FixedState& state_;
  uint16_t sequence_ = 0;
};

// One socket of each kind is enough here.
class FixedSockets final : public Sockets {
 public:
  FixedState stream;
  FixedState datagram;
  FixedState echo;

  Result<std::unique_ptr<StreamSocket>, SocketError> connect(const Endpoint&, const ConnectOptions&,
                                                             FlowId id) override {
    stream.id = id;
    return std::unique_ptr<StreamSocket>(std::make_unique<FixedStream>(stream));
  }
  Result<std::unique_ptr<Listener>, SocketError> listen(const Endpoint&, FlowId) override {
    return SocketError::kNotSupported;
  }
  Result<std::unique_ptr<DatagramSocket>, SocketError> open_datagram(const Endpoint&,
                                                                     FlowId id) override {
    datagram.id = id;
    return std::unique_ptr<DatagramSocket>(std::make_unique<FixedDatagram>(datagram));
  }
  Result<std::unique_ptr<EchoSocket>, SocketError> open_echo(Family, FlowId id) override {
    echo.id = id;
    return std::unique_ptr<EchoSocket>(std::make_unique<FixedEcho>(echo));
  }
  std::unique_ptr<StreamSocket> adopt_stream(FlowId) override { return nullptr; }
  std::unique_ptr<Listener> adopt_listener(FlowId) override { return nullptr; }
  std::unique_ptr<DatagramSocket> adopt_datagram(FlowId) override { return nullptr; }
  std::unique_ptr<EchoSocket> adopt_echo(FlowId) override { return nullptr; }
};

}  // namespace dashi::test
