// Sessions under random faults, each from its own seed: frames lost, doubled and out of order, windows that
// close, a host that stalls, a link that fills, restores in between. Checked at every step: bytes, the edge
// of the window, what is acknowledged; and once the faults end, that everything arrives and nothing is left.
#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {
namespace {

class Session {
 public:
  explicit Session(uint32_t seed) : bench_(config(seed)), shift_(seed % 5) {
    dice_.state = seed;
    bench_.link.link_limits.gso_bytes_max = seed % 3 == 0 ? 65535 : 0;
    bench_.link.link_limits.checksum_offload = seed % 3 == 0;
    bench_.link.rest_bytes = seed % 2 == 0 ? ~size_t{0} : 700;
    host_ = &bench_.establish();
  }

  void run() {
    for (int i = 0; i < 600 && !over(); ++i) {
      step();
      listen(true);
    }
    bench_.link_reopens(~size_t{0});
    bench_.host_takes(*host_, ~size_t{0});
    for (int i = 0; i < 3000 && !over(); ++i) {
      if (down_given_ < down_.size()) give(4000);
      if (down_given_ == down_.size() && !host_->eof) bench_.host_ends(*host_);
      send_up(up_acked_, 1460);
      listen(false);
      answer(501);
      bench_.advance(50ms);
      listen(false);
    }
    BOOST_TEST(over());
    answer(501);
    BOOST_TEST((host_->written == up_));
    BOOST_TEST(host_->fin_written);
    BOOST_TEST(!host_->aborted);
    BOOST_TEST(down_got_ == down_.size() + 1);
    BOOST_TEST(host_->consumed == down_.size());
    bench_.advance(61s);
    BOOST_TEST(bench_.sockets.open_count() == 0u);
    BOOST_TEST(!bench_.nat().next_deadline().has_value());
  }

 private:
  static Config config(uint32_t seed) {
    Config config = quiet_config();
    config.tcp.window_scale = static_cast<uint8_t>(seed % 5);
    config.tcp.window = 30'000;
    config.limits.tcp_uplink_bytes_each = 65'536;
    if (seed % 4 == 1) config.limits.tcp_uplink_bytes_total = 16'384;
    if (seed % 4 == 2) config.limits.tcp_reassembly_gaps = 3;
    return config;
  }

  uint32_t dice(uint32_t below) { return static_cast<uint32_t>(dice_.next_u64() >> 20) % below; }

  bool over() const {
    return down_got_ == down_.size() + 1 && up_acked_ == up_.size() + 1 &&
           host_->written.size() == up_.size() && host_->consumed == down_.size();
  }

  void step() {
    switch (dice(9)) {
      case 0:
      case 1:
        send_up(up_acked_ + dice(12) * 500, 1 + dice(1460));
        break;
      case 2:
        send_up(up_acked_, 1 + dice(1460));
        break;
      case 3:
        give(dice(9000));
        if (down_given_ == down_.size() && dice(3) == 0) bench_.host_ends(*host_);
        break;
      case 4:
        bench_.host_takes(*host_, dice(3) == 0 ? 0 : dice(8000));
        break;
      case 5:
        answer(static_cast<uint16_t>(dice(4) == 0 ? 0 : dice(501)));
        break;
      case 6:
        if (dice(2) == 0) bench_.link_reopens(dice(6));
        break;
      case 7:
        bench_.advance(dice(4) == 0 ? dice(3000) * 1ms : dice(60) * 1ms);
        break;
      case 8:
        if (dice(5) == 0) bench_.save_and_restore();
        break;
    }
  }

  // A segment of the upload from `at` on, within the window; with the FIN if it reaches the end.
  void send_up(size_t at, size_t bytes) {
    const size_t right = std::min<size_t>(up_.size(), std::max<size_t>(edge_, up_acked_));
    if (at > right || up_acked_ > up_.size()) return;
    const size_t n = std::min(bytes, right - at);
    const ByteVector payload(up_.begin() + static_cast<ptrdiff_t>(at),
                             up_.begin() + static_cast<ptrdiff_t>(at + n));
    const uint8_t fin = at + n == up_.size() ? kTcpFin : uint8_t{0};
    told_ = down_got_;
    bench_.send(static_cast<uint8_t>(kTcpAck | fin), kGuestIsn + 1 + static_cast<uint32_t>(at),
                bench_.isn + 1 + static_cast<uint32_t>(down_got_), 501, payload);
    check_up();
  }

  // Once it has acknowledged the host's FIN and its own was, the guest is closed and says no more.
  void answer(uint16_t window) {
    if (told_ == down_.size() + 1 && up_acked_ == up_.size() + 1) return;
    told_ = down_got_;
    const auto at = static_cast<uint32_t>(std::min(up_acked_, up_.size() + 1));
    bench_.ack(at, static_cast<uint32_t>(down_got_), window);
  }

  void give(size_t bytes) {
    const size_t n = std::min(bytes, down_.size() - down_given_);
    const auto first = down_.begin() + static_cast<ptrdiff_t>(down_given_);
    down_given_ += n;
    bench_.host_writes(*host_, ByteVector(first, first + static_cast<ptrdiff_t>(n)));
  }

  void check_up() {
    BOOST_REQUIRE_LE(host_->written.size(), up_.size());
    BOOST_REQUIRE(std::equal(host_->written.begin(), host_->written.end(), up_.begin()));
  }

  // What came to the guest; some of it lost or swapped.
  void listen(bool faults) {
    while (!bench_.link.frames.empty()) {
      if (faults && bench_.link.frames.size() > 1 && dice(8) == 0) {
        std::swap(bench_.link.frames[0], bench_.link.frames[1]);
      }
      const SentFrame frame = bench_.link.take();
      if (faults && dice(6) == 0) continue;
      hear(frame.packet());
      if (faults && dice(12) == 0) hear(frame.packet());
    }
    check_up();
  }

  void hear(const Packet& p) {
    BOOST_REQUIRE(!p.tcp.rst());
    const uint32_t acked = p.tcp.acknowledgment - kGuestIsn - 1;
    // Nothing beyond what the host took and memory may hold.
    BOOST_REQUIRE_LE(acked, host_->written.size() + 65'536 + 1);
    BOOST_REQUIRE_LE(acked, up_.size() + 1);
    const uint32_t edge = acked + (uint32_t{p.tcp.window} << shift_);
    if (acked > up_acked_) up_acked_ = acked;
    edge_ = std::max(edge_, edge);
    const auto at = static_cast<int32_t>(bench_.offset_of(p));
    if (p.payload.empty() && !p.tcp.fin()) return;
    BOOST_REQUIRE_GE(at, 0);
    const auto offset = static_cast<size_t>(at);
    BOOST_REQUIRE_LE(offset + p.payload.size(), down_given_);
    BOOST_REQUIRE(std::equal(p.payload.begin(), p.payload.end(),
                             down_.begin() + static_cast<ptrdiff_t>(offset)));
    if (p.tcp.fin()) BOOST_REQUIRE_EQUAL(offset + p.payload.size(), down_.size());
    const size_t end = offset + p.payload.size() + (p.tcp.fin() ? 1 : 0);
    if (offset <= down_got_) down_got_ = std::max(down_got_, end);
  }

  TcpBench bench_;
  FakeEntropy dice_;
  StreamState* host_ = nullptr;
  ByteVector up_ = pattern(50'000);
  ByteVector down_ = pattern(90'001);
  size_t up_acked_ = 0;   // bytes of the upload that were acknowledged, the FIN included
  uint32_t edge_ = 5000;  // of the window that the guest was told
  size_t down_given_ = 0;
  size_t down_got_ = 0;  // in order, the FIN included
  size_t told_ = 0;      // what of it the guest acknowledged
  uint32_t shift_;       // of the windows we are told
};

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_random)

BOOST_AUTO_TEST_CASE(completes_every_session_once_the_faults_end) {
  for (uint32_t seed = 1; seed <= 100; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      Session session(seed);
      session.run();
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
