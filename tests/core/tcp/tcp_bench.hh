// A whole Nat between a fake link and fake sockets, and the verbs of a TCP guest: each is one frame in
// or one frame out, so that a case reads as a transcript.
#pragma once

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string_view>

#include "core/nat/nat.hh"
#include "tests/support/fake_env.hh"

namespace dashi::test {

inline constexpr uint32_t kGuestIsn = 1000;  // the guest's first data byte is 1001

class TcpBench {
 public:
  explicit TcpBench(const Config& config) : config_(config) { start(); }

  FakeLink link;
  FakeSockets sockets;
  FakeEntropy entropy;
  FakeTrace trace;
  Instant now = instant_from_nanoseconds(1'000'000'000);
  uint16_t guest_port = 44444;
  uint16_t remote_port = 80;
  IpAddress guest_address = Ipv4Address{{10, 0, 0, 2}};
  IpAddress remote_address = Ipv4Address{{198, 51, 100, 7}};
  uint8_t guest_ttl = 64;

  Nat& nat() { return *nat_; }
  const Counters& counters() const { return nat_->counters(); }

  // --- The driver's turn ---
  void frames(const std::vector<ByteVector>& in) {
    std::vector<GuestFrame> views;
    for (const ByteVector& frame : in) views.push_back({frame, {}});
    nat_->handle_frames(now, views);
    turn();
  }
  void event(const SocketEvent& e) {
    nat_->handle_sockets(now, {&e, 1});
    turn();
  }
  void turn() {
    nat_->handle_timers(now);
    nat_->flush(now);
  }
  // Jumps through every deadline up to now + by.
  void advance(Duration by) {
    const Instant until = now + by;
    while (true) {
      const auto next = nat_->next_deadline();
      if (!next.has_value() || *next > until) break;
      now = std::max(now, *next);
      turn();
      if (*nat_->next_deadline() <= now && ++stuck_ > 10000) {
        BOOST_FAIL("the Nat wants the same moment for ever");
      }
    }
    stuck_ = 0;
    now = until;
    turn();
  }

  // --- The guest ---
  ByteVector segment(uint8_t flags, uint32_t sequence, uint32_t acknowledgment, uint16_t window,
                     const ByteVector& payload, const ByteVector& options) const {
    IpSpec ip;
    ip.source = guest_address;
    ip.destination = remote_address;
    ip.ttl = guest_ttl;
    return tcp_frame(
        ip, {guest_port, remote_port, sequence, acknowledgment, flags, window, options}, payload);
  }
  void send(uint8_t flags, uint32_t sequence, uint32_t acknowledgment, uint16_t window,
            const ByteVector& payload) {
    frames({segment(flags, sequence, acknowledgment, window, payload, {})});
  }
  void syn() {
    // MSS 1460, SACK permitted, window scale 7
    frames({segment(kTcpSyn, kGuestIsn, 0, 64240, {}, {2, 4, 0x05, 0xb4, 4, 2, 1, 1, 1, 3, 3, 7})});
  }
  // An ACK-bearing segment at the stream offsets of either side (0 = the first data byte).
  void data(uint32_t offset, uint32_t acked, std::string_view payload) {
    send(kTcpAck | kTcpPsh, kGuestIsn + 1 + offset, isn + 1 + acked, 64240 >> 7, text(payload));
  }
  void fin(uint32_t offset, uint32_t acked, std::string_view payload) {
    send(kTcpAck | kTcpFin, kGuestIsn + 1 + offset, isn + 1 + acked, 64240 >> 7, text(payload));
  }
  void ack(uint32_t offset, uint32_t acked, uint16_t window) {
    send(kTcpAck, kGuestIsn + 1 + offset, isn + 1 + acked, window, {});
  }
  // SYN, the host's success, SYN-ACK, ACK.
  StreamState& establish() {
    syn();
    StreamState& host = sockets.streams.back();
    event({host.id, SocketEvent::Kind::kConnected, {}});
    const SentFrame frame = link.take();
    const Packet packet = frame.packet();
    BOOST_REQUIRE(packet.tcp.syn() && packet.tcp.ack());
    BOOST_REQUIRE(packet.tcp.acknowledgment == kGuestIsn + 1);
    isn = packet.tcp.sequence;
    ack(0, 0, 64240 >> 7);
    BOOST_REQUIRE(link.frames.empty());
    return host;
  }

  // --- The host ---
  void host_writes(StreamState& host, const ByteVector& bytes) {
    host.incoming.insert(host.incoming.end(), bytes.begin(), bytes.end());
    event({host.id, SocketEvent::Kind::kReadable, {}});
  }
  void host_ends(StreamState& host) {
    host.eof = true;
    event({host.id, SocketEvent::Kind::kReadable, {}});
  }
  void host_resets(StreamState& host) {
    host.error = SocketError::kReset;
    event({host.id, SocketEvent::Kind::kReadable, {}});
  }
  void host_takes(StreamState& host, size_t room) {
    host.write_room = room;
    event({host.id, SocketEvent::Kind::kWritable, {}});
  }

  // --- What the guest hears ---
  struct Heard {
    SentFrame frame;
    Packet packet;
  };
  // The next frame, whose TCP flags are exactly these.
  Heard expect(uint8_t flags) {
    BOOST_REQUIRE_MESSAGE(!link.frames.empty(), "nothing came");
    Heard heard{link.take(), {}};
    heard.packet = heard.frame.packet();
    BOOST_REQUIRE_MESSAGE(heard.packet.tcp.flags == flags,
                          "flags " << int{heard.packet.tcp.flags} << ", not " << int{flags});
    return heard;
  }
  // A pure ACK of everything up to this offset.
  void expect_ack(uint32_t offset) {
    const Heard heard = expect(kTcpAck);
    BOOST_REQUIRE(heard.packet.payload.empty());
    BOOST_REQUIRE_EQUAL(heard.packet.tcp.acknowledgment, kGuestIsn + 1 + offset);
  }
  void expect_nothing() { BOOST_REQUIRE_EQUAL(link.frames.size(), 0u); }
  static std::string written(const StreamState& host) {
    return {host.written.begin(), host.written.end()};
  }
  uint32_t offset_of(const Packet& packet) const { return packet.tcp.sequence - isn - 1; }

  // Replaces the Nat by what it saved.
  void save_and_restore() {
    MemoryArchive archive;
    nat_->save(archive);
    nat_.reset();  // closes the fakes, which adopting reopens
    auto restored = Nat::restore(archive, config_, {link, sockets, entropy, trace});
    BOOST_REQUIRE(restored.ok());
    nat_ = std::move(*restored);
  }

  uint32_t isn = 0;  // the Nat's

 private:
  void start() { nat_ = std::make_unique<Nat>(config_, Env{link, sockets, entropy, trace}); }

  Config config_;
  int stuck_ = 0;
  std::unique_ptr<Nat> nat_;
};

inline Config quiet_config() {
  Config config;
  config.topology.ipv6 = false;  // no router advertisements between the frames of a transcript
  return config;
}

}  // namespace dashi::test
