// The handles SimSockets gives out: each a slot of its table. Private to sim_sockets.
#pragma once

#include "sim/sim_sockets.hh"

namespace dashi {

class SimSockets::StreamHandle final : public StreamSocket {
 public:
  StreamHandle(SimSockets& owner, uint32_t slot) : owner_(owner), slot_(slot) {}
  ~StreamHandle() override { owner_.let_go(slot_); }
  Result<Peeked, SocketError> peek(size_t offset, std::span<const MutableBytes> into) override {
    return owner_.peek(slot_, offset, into);
  }
  void consume(size_t n) override { owner_.consume(slot_, n); }
  Result<size_t, SocketError> write(std::span<const Bytes> from) override {
    return owner_.write(slot_, from);
  }
  void shutdown_write() override { owner_.shutdown_write(slot_); }
  void abort() override { owner_.abort(slot_); }
  HostTcpInfo info() const override { return owner_.info(slot_); }
  Endpoint local() const override { return owner_.sockets_[slot_].local; }

 private:
  SimSockets& owner_;
  uint32_t slot_;
};

class SimSockets::ListenerHandle final : public Listener {
 public:
  ListenerHandle(SimSockets& owner, uint32_t slot) : owner_(owner), slot_(slot) {}
  ~ListenerHandle() override { owner_.let_go(slot_); }
  Result<Accepted, SocketError> accept(FlowId id) override { return owner_.accept(slot_, id); }
  Endpoint local() const override { return owner_.sockets_[slot_].local; }

 private:
  SimSockets& owner_;
  uint32_t slot_;
};

class SimSockets::DatagramHandle final : public DatagramSocket {
 public:
  DatagramHandle(SimSockets& owner, uint32_t slot) : owner_(owner), slot_(slot) {}
  ~DatagramHandle() override { owner_.let_go(slot_); }
  Result<size_t, SocketError> send(std::span<const OutDatagram> datagrams) override {
    return owner_.send(slot_, datagrams);
  }
  Result<size_t, SocketError> receive(std::span<InDatagram> datagrams) override {
    return owner_.receive(slot_, datagrams);
  }
  Endpoint local() const override { return owner_.sockets_[slot_].local; }

 private:
  SimSockets& owner_;
  uint32_t slot_;
};

class SimSockets::EchoHandle final : public EchoSocket {
 public:
  EchoHandle(SimSockets& owner, uint32_t slot) : owner_(owner), slot_(slot) {}
  ~EchoHandle() override { owner_.let_go(slot_); }
  Result<size_t, SocketError> send(std::span<const OutEcho> echoes) override {
    return owner_.send_echoes(slot_, echoes);
  }
  Result<size_t, SocketError> receive(std::span<InEcho> echoes) override {
    return owner_.receive_echoes(slot_, echoes);
  }

 private:
  SimSockets& owner_;
  uint32_t slot_;
};

}  // namespace dashi
