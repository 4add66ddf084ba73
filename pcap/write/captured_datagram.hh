// The datagram and echo sockets that CapturedSockets gives out: each passes every call on, and draws
// what was sent or received. They own the socket they decorate.
#pragma once

#include "pcap/write/captured_sockets.hh"

namespace dashi {

class CapturedDatagram : public DatagramSocket {
 public:
  CapturedDatagram(std::unique_ptr<DatagramSocket> inner, CapturedSockets& seam, SeamFlow& flow);
  ~CapturedDatagram() override { seam_.close(flow_.id); }

  Result<size_t, SocketError> send(std::span<const OutDatagram> datagrams) override;
  Result<size_t, SocketError> receive(std::span<InDatagram> datagrams) override;
  Endpoint local() const override { return inner_->local(); }

 private:
  Endpoint seam_local(const IpAddress& named) const;
  void draw(bool outbound, const DrawnPath& path, Bytes payload, size_t segment_size);

  std::unique_ptr<DatagramSocket> inner_;
  CapturedSockets& seam_;
  SeamFlow& flow_;  // the seam's, until close()
};

class CapturedEcho : public EchoSocket {
 public:
  CapturedEcho(std::unique_ptr<EchoSocket> inner, CapturedSockets& seam, SeamFlow& flow)
      : inner_(std::move(inner)), seam_(seam), flow_(flow) {}
  ~CapturedEcho() override { seam_.close(flow_.id); }

  Result<size_t, SocketError> send(std::span<const OutEcho> echoes) override;
  Result<size_t, SocketError> receive(std::span<InEcho> echoes) override;

 private:
  // The host's identifier is its own affair; the slot stands for it.
  uint16_t identifier() const { return static_cast<uint16_t>(flow_.id.slot); }

  std::unique_ptr<EchoSocket> inner_;
  CapturedSockets& seam_;
  SeamFlow& flow_;  // the seam's, until close()
};

}  // namespace dashi
