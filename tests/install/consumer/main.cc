// The smallest driver there is, against the installed library alone: a guest asks who the gateway is,
// and the Nat answers.
#include <array>
#include <cstdio>
#include <memory>
#include <vector>

#include "core/nat/nat.hh"

namespace {

// Remembers the last frame for the guest.
class Link final : public dashi::GuestLink {
 public:
  std::vector<uint8_t> sent;
  dashi::LinkLimits limits() const override { return {}; }
  std::span<const dashi::FrameSlot> reserve(size_t, size_t bytes_each) override {
    buffer_.assign(bytes_each, 0);
    slot_.head = buffer_;
    return {&slot_, 1};
  }
  void commit(std::span<const dashi::Filled> filled) override {
    if (!filled.empty()) sent.assign(buffer_.begin(), buffer_.begin() + long(filled[0].bytes));
  }
  void flush() override {}

 private:
  std::vector<uint8_t> buffer_;
  dashi::FrameSlot slot_;
};

// A host without a network.
class NoSockets final : public dashi::Sockets {
  using Error = dashi::SocketError;
  template <typename Socket>
  using Opened = dashi::Result<std::unique_ptr<Socket>, Error>;

 public:
  Opened<dashi::StreamSocket> connect(const dashi::Endpoint&, const dashi::ConnectOptions&,
                                      dashi::FlowId) override {
    return Error::kNetworkUnreachable;
  }
  Opened<dashi::Listener> listen(const dashi::Endpoint&, dashi::FlowId) override {
    return Error::kNotSupported;
  }
  Opened<dashi::DatagramSocket> open_datagram(const dashi::Endpoint&, dashi::FlowId) override {
    return Error::kNotSupported;
  }
  Opened<dashi::EchoSocket> open_echo(dashi::Family, dashi::FlowId) override {
    return Error::kNotSupported;
  }
  std::unique_ptr<dashi::StreamSocket> adopt_stream(dashi::FlowId) override { return nullptr; }
  std::unique_ptr<dashi::Listener> adopt_listener(dashi::FlowId) override { return nullptr; }
  std::unique_ptr<dashi::DatagramSocket> adopt_datagram(dashi::FlowId) override { return nullptr; }
  std::unique_ptr<dashi::EchoSocket> adopt_echo(dashi::FlowId) override { return nullptr; }
};

class Counting final : public dashi::Entropy {
 public:
  uint64_t next_u64() override { return ++state_; }

 private:
  uint64_t state_ = 0;
};

class Quiet final : public dashi::Trace {
 public:
  void record(const dashi::TraceEvent&) override {}
};

// Who has 10.0.0.1? Tell 10.0.0.2 (RFC 826).
constexpr std::array<uint8_t, 42> kQuestion{
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0,  0, 0, 0, 2, 0x08, 0x06, 0, 1, 8, 0,  6, 4, 0,
    1,    0x02, 0,    0,    0,    0,    2,    10, 0, 0, 2, 0, 0,    0,    0, 0, 0, 10, 0, 0, 1};

}  // namespace

int main() {
  Link link;
  NoSockets sockets;
  Counting entropy;
  Quiet trace;
  dashi::Nat nat(dashi::Config{}, {link, sockets, entropy, trace});
  const dashi::GuestFrame frame{kQuestion, {}};
  const dashi::Instant now{};
  nat.handle_frames(now, {&frame, 1});
  nat.flush(now);
  if (link.sent.size() < 32 || link.sent[21] != 2) return 1;  // an ARP reply
  std::printf("%u.%u.%u.%u is here\n", link.sent[28], link.sent[29], link.sent[30], link.sent[31]);
  return 0;
}
