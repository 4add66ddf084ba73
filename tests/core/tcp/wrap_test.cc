// Streams longer than the space of sequence numbers, which wraps at 4 GiB and compares over half of it.
#include <boost/test/unit_test.hpp>

#include "core/nat/nat.hh"
#include "core/tcp/seq.hh"
#include "tests/core/tcp/fixed_env.hh"
#include "tests/support/fake_env.hh"
#include "tests/support/guest_frames.hh"

namespace dashi::test {
namespace {

constexpr size_t kHeaders = 54;

// A connection whose bytes have no meaning, so that gibibytes cost little.
class LongStream {
 public:
  LongStream() {
    link_.link_limits.gso_bytes_max = 65535;
    link_.link_limits.checksum_offload = true;
    Config config;
    config.topology.ipv6 = false;
    nat_ = std::make_unique<Nat>(config, Env{link_, sockets_, entropy_, trace_});
    send(kTcpSyn, 0, 0, {2, 4, 0x05, 0xb4, 1, 3, 3, 7});
    event(SocketEvent::Kind::kConnected);
    next_ = last_sequence() + 1;
    heard_ = link_.committed;
    ++sequence_;
    ack(next_);
  }

  FixedState& host() { return sockets_.stream; }
  uint64_t count(Counter counter) const { return nat_->counters()[counter]; }
  uint32_t next() const { return next_; }    // of the host's stream, as far as it came
  uint32_t acked() const { return acked_; }  // and as far as the guest said so

  void ack(uint32_t acknowledgment) {
    acked_ = acknowledgment;
    send(kTcpAck, acknowledgment, 0, {});
  }
  // One super-frame up.
  void data(size_t bytes) {
    send(kTcpAck, next_, bytes, {});
    sequence_ += static_cast<uint32_t>(bytes);
  }
  // The host has `bytes` more; the guest hears what it is sent, all but `acked` of it told.
  void readable(size_t bytes) {
    host().available += bytes;
    event(SocketEvent::Kind::kReadable);
    hear();
  }
  void hear() {
    const bool anew = link_.committed != heard_;
    heard_ = link_.committed;
    if (!anew || link_.last_bytes <= kHeaders) return;
    const uint32_t end = last_sequence() + static_cast<uint32_t>(link_.last_bytes - kHeaders);
    if (SeqNum(end).after(SeqNum(next_))) next_ = end;
  }
  void wait(Duration by) {
    now_ += by;
    turn();
  }

 private:
  void send(uint8_t flags, uint32_t acknowledgment, size_t bytes, const ByteVector& options) {
    IpSpec ip;
    ip.source = Ipv4Address{{10, 0, 0, 2}};
    ip.destination = Ipv4Address{{198, 51, 100, 7}};
    if (frame_.size() != kHeaders + bytes || flags != kTcpAck) {
      const TcpSpec tcp{4444, 80, sequence_, acknowledgment, flags, 60000, options};
      frame_ = tcp_frame(ip, tcp, ByteVector(bytes));
    }
    store(MutableBytes(frame_).subspan(38), Be32(sequence_));
    store(MutableBytes(frame_).subspan(42), Be32(acknowledgment));
    Offload offload;
    offload.csum_trusted = true;
    if (bytes > 1460) offload.gso_type = GsoType::kTcpv4;
    if (bytes > 1460) offload.gso_size = 1460;
    const GuestFrame view{frame_, offload};
    nat_->handle_frames(now_, {&view, 1});
    wait(100us);
    hear();
  }
  void event(SocketEvent::Kind kind) {
    const SocketEvent e{host().id, kind, {}};
    nat_->handle_sockets(now_, {&e, 1});
    turn();
  }
  void turn() {
    nat_->handle_timers(now_);
    nat_->flush(now_);
  }
  uint32_t last_sequence() const { return load<Be32>(Bytes(link_.last).subspan(38)); }

  FixedLink link_;
  FixedSockets sockets_;
  FakeEntropy entropy_;
  FakeTrace trace_;
  Instant now_ = instant_from_nanoseconds(1'000'000'000);
  std::unique_ptr<Nat> nat_;
  ByteVector frame_;
  uint32_t sequence_ = 0xffff'0000;
  uint32_t next_ = 0;
  uint32_t acked_ = 0;
  size_t heard_ = 0;  // frames
};

constexpr uint64_t kWhole = uint64_t{1} << 32;

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_wrap)

BOOST_AUTO_TEST_CASE(carries_more_than_4_gib_up) {
  LongStream stream;
  constexpr size_t kFrame = 43 * 1460;
  uint64_t sent = 0;
  for (; sent < kWhole + (uint64_t{1} << 20); sent += kFrame) stream.data(kFrame);
  BOOST_TEST(stream.host().written == sent);
  BOOST_TEST(stream.count(Counter::kTcpChallengeAcks) == 0u);
}

BOOST_AUTO_TEST_CASE(
    carries_more_than_4_gib_down_and_retransmits_fast_wherever_it_is) {  // RFC 6582
  LongStream stream;
  uint64_t losses = 0;
  uint64_t until_loss = uint64_t{1} << 30;
  while (stream.count(Counter::kTcpBytesDown) < kWhole + (uint64_t{1} << 20)) {
    stream.readable(size_t{1} << 18);
    if (stream.count(Counter::kTcpBytesDown) > until_loss) {  // now and then the first of a round
      for (int i = 0; i < 3; ++i) stream.ack(stream.acked());
      BOOST_REQUIRE_EQUAL(stream.count(Counter::kTcpFastRetransmits), ++losses);
      until_loss += uint64_t{5} << 29;  // 2.5 GiB: more than half the space
    }
    for (int i = 0; stream.host().available != 0 && i < 1000; ++i) stream.ack(stream.next());
    BOOST_REQUIRE_EQUAL(stream.host().available, 0u);
  }
  BOOST_TEST(losses == 2u);
  BOOST_TEST(stream.count(Counter::kTcpTimeouts) == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
