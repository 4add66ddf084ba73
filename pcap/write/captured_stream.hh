// The stream sockets and listeners that CapturedSockets gives out: each passes every call on, and
// draws it. They own the socket they decorate.
#pragma once

#include "pcap/write/captured_sockets.hh"

namespace dashi {

class CapturedStream : public StreamSocket {
 public:
  CapturedStream(std::unique_ptr<StreamSocket> inner, CapturedSockets& seam, SeamFlow& flow)
      : inner_(std::move(inner)), seam_(seam), flow_(flow) {}
  ~CapturedStream() override;

  Result<Peeked, SocketError> peek(size_t offset, std::span<const MutableBytes> into) override;
  void consume(size_t n) override;
  Result<size_t, SocketError> write(std::span<const Bytes> from) override;
  void shutdown_write() override;
  void abort() override;
  HostTcpInfo info() const override { return inner_->info(); }
  Endpoint local() const override { return inner_->local(); }

 private:
  void draw_data(bool outbound, uint64_t& position, std::span<const Bytes> pieces, size_t skip,
                 size_t bytes);
  void draw_error(SocketError error);

  std::unique_ptr<StreamSocket> inner_;
  CapturedSockets& seam_;
  SeamFlow& flow_;  // the seam's, until close()
};

class CapturedListener : public Listener {
 public:
  CapturedListener(std::unique_ptr<Listener> inner, CapturedSockets& seam)
      : inner_(std::move(inner)), seam_(seam) {}

  Result<Accepted, SocketError> accept(FlowId id) override;
  Endpoint local() const override { return inner_->local(); }

 private:
  std::unique_ptr<Listener> inner_;
  CapturedSockets& seam_;
};

}  // namespace dashi
