// The window we offer: it grows with what the host takes in a round trip, up to its bound, and never shrinks.
#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {
namespace {

constexpr Duration kRoundTrip = 20ms;
constexpr uint32_t kSegment = 1448;

// A guest 20 ms away that sends what it is told, in batches of sixteen frames.
class FarGuest {
 public:
  explicit FarGuest(bool timestamps) : bench_(quiet_config()), timestamps_(timestamps) {
    if (timestamps) {
      bench_.syn_options = {2, 4, 0x05, 0xb4, 1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7};
    }
    bench_.syn();
    host_ = &bench_.sockets.streams.back();
    bench_.host_connects(*host_);
    note(bench_.expect(kTcpSyn | kTcpAck).packet);
    bench_.now += kRoundTrip;
    bench_.frames({segment(0)});
    hear();
  }

  TcpBench& bench() { return bench_; }
  StreamState& host() { return *host_; }
  uint32_t window() const { return window_; }
  uint32_t sent() const { return sent_; }

  // A round trip later as much as this, or as the window allows; the answers are heard at its end.
  void send(uint32_t bytes) {
    bench_.now += kRoundTrip;
    bytes = std::min(bytes, edge_ - sent_);
    std::vector<ByteVector> batch;
    while (bytes >= kSegment) {
      batch.push_back(segment(kSegment));
      sent_ += kSegment;
      bytes -= kSegment;
      if (batch.size() < 16 && bytes >= kSegment) continue;
      bench_.frames(batch);
      batch.clear();
    }
    bench_.advance(0ms);
    hear();
  }

 private:
  ByteVector segment(uint32_t bytes) const {
    ByteVector options;
    if (timestamps_) {
      options = {1, 1, 8, 10, 0, 0, 0, 9};
      append_u32(options, echo_);
    }
    return bench_.segment(kTcpAck, kGuestIsn + 1 + sent_, isn_ + 1, 501, ByteVector(bytes, 'x'),
                          options);
  }
  void note(const Packet& packet) {
    if (packet.tcp.syn()) isn_ = packet.tcp.sequence;
    if (packet.tcp.options.timestamps.has_value()) echo_ = packet.tcp.options.timestamps->value;
  }
  void hear() {
    while (!bench_.link.frames.empty()) {
      const Packet packet = bench_.hear().packet;
      note(packet);
      const uint32_t acked = packet.tcp.acknowledgment - kGuestIsn - 1;
      window_ = TcpBench::window_of(packet);
      BOOST_REQUIRE_GE(acked + window_, edge_);  // RFC 9293 3.8.6: never shrunk
      edge_ = acked + window_;
    }
  }

  TcpBench bench_;
  bool timestamps_;
  StreamState* host_ = nullptr;
  uint32_t isn_ = 0;
  uint32_t echo_ = 0;
  uint32_t sent_ = 0;
  uint32_t window_ = 0;
  uint32_t edge_ = 65535;  // of the SYN-ACK
};

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_window_growth)

TCP_CASE(keeps_ahead_of_a_guest_in_slow_start) {
  for (const bool timestamps : {false, true}) {
    FarGuest guest(timestamps);
    uint32_t window = 10 * kSegment;
    for (int round = 0; round < 7; ++round, window *= 2) {
      const uint32_t before = guest.sent();
      guest.send(window);
      BOOST_TEST(guest.sent() - before >= std::min(window, 900'000u) / kSegment * kSegment);
    }
    BOOST_TEST(guest.window() >= 900'000u);
    BOOST_TEST(guest.window() <= Config{}.tcp.window);
  }
}

TCP_CASE(stays_small_for_a_guest_that_sends_little) {
  FarGuest guest(true);
  for (int round = 0; round < 50; ++round) guest.send(4 * kSegment);
  BOOST_TEST(guest.window() <= (1u << 16));
}

TCP_CASE(holds_little_for_a_host_that_takes_little) {
  for (const bool timestamps : {false, true}) {
    FarGuest guest(timestamps);
    size_t most = 0;
    for (int round = 0; round < 50; ++round) {
      guest.bench().host_takes(guest.host(), 2000);
      guest.send(1u << 20);
      most = std::max(most, guest.bench().nat().flow_counts().tcp_held_bytes);
    }
    BOOST_TEST(most <= (1u << 16) + 2 * 4096);
  }
}

BOOST_AUTO_TEST_CASE(grows_when_a_host_takes_more_than_it_did) {
  FarGuest guest(true);
  for (int round = 0; round < 10; ++round) {
    guest.bench().host_takes(guest.host(), 2000);
    guest.send(1u << 20);
  }
  guest.bench().host_takes(guest.host(), ~size_t{0});
  for (int round = 0; round < 6; ++round) guest.send(1u << 20);
  BOOST_TEST(guest.window() >= 900'000u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
