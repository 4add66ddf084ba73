// A whole Nat between a fake link and fake sockets, and the verbs of a TCP guest: each is one frame in
// or one frame out, so that a case reads as a transcript.
#pragma once

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string_view>

#include "core/nat/nat.hh"
#include "tests/support/fake_env.hh"

namespace dashi::test {

// Which family benches and quiet_config() are of: set by TCP_CASE.
inline Family family_under_test = Family::kIpv4;

// A case that runs over IPv4, and under the name NAME_over_ipv6 over IPv6. The IPv6 link has 20 bytes
// more MTU, so that segments and the numbers in a transcript are the same.
#define TCP_CASE(name)                                      \
  static void name##_in_either_family();                    \
  BOOST_AUTO_TEST_CASE(name) { name##_in_either_family(); } \
  BOOST_AUTO_TEST_CASE(name##_over_ipv6) {                  \
    family_under_test = Family::kIpv6;                      \
    name##_in_either_family();                              \
    family_under_test = Family::kIpv4;                      \
  }                                                         \
  static void name##_in_either_family()

inline constexpr uint32_t kGuestIsn = 1000;  // the guest's first data byte is 1001

class TcpBench {
 public:
  explicit TcpBench(const Config& config) : TcpBench(config, 1) {}
  TcpBench(const Config& config, uint64_t secret) : config_(config) {
    entropy.state = secret;
    if (family_under_test == Family::kIpv6) {
      guest_address = parse_ip("fd00:da51::2").value();
      remote_address = parse_ip("2001:db8::7").value();
      link.link_limits.mtu = config.topology.mtu;
    }
    start();
  }

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

  uint64_t count(Counter counter) const { return counters()[counter]; }
  uint64_t count(DropReason reason) const { return counters()[reason]; }
  uint64_t all_drops() const {
    uint64_t sum = 0;
    for (uint64_t n : counters().drops) sum += n;
    return sum;
  }

  // --- The driver's turn ---
  void frames(const std::vector<ByteVector>& in) {
    std::vector<GuestFrame> views;
    for (const ByteVector& frame : in) views.push_back({frame, {}});
    nat_->handle_frames(now, views);
    turn();
  }
  void super_frame(const ByteVector& frame, uint16_t gso_size) {
    Offload offload;
    offload.gso_type = guest_address.is_v4() ? GsoType::kTcpv4 : GsoType::kTcpv6;
    offload.gso_size = gso_size;
    offload.csum_trusted = true;
    const GuestFrame view{frame, offload};
    nat_->handle_frames(now, {&view, 1});
    turn();
  }
  // The link has room for `frames` more, and says so.
  void link_reopens(size_t frames_more) {
    link.room = frames_more;
    nat_->handle_guest_writable(now);
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
      if (nat_->next_deadline().value_or(kNever) <= now && ++stuck_ > 10000) {
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
  // Linux's: MSS 1460, SACK permitted, window scale 7.
  ByteVector syn_options = {2, 4, 0x05, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7};
  uint16_t syn_window = 64240;
  void syn() { frames({segment(kTcpSyn, kGuestIsn, 0, syn_window, {}, syn_options)}); }
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
  // SYN, the host's success, SYN-ACK.
  StreamState& connect() {
    syn();
    StreamState& host = sockets.streams.back();
    host_connects(host);
    const Heard heard = expect(kTcpSyn | kTcpAck);
    BOOST_REQUIRE(heard.packet.tcp.acknowledgment == kGuestIsn + 1);
    isn = heard.packet.tcp.sequence;
    return host;
  }
  // And the ACK.
  StreamState& establish() { return establish(64240 >> 7); }
  StreamState& establish(uint16_t window) {
    StreamState& host = connect();
    ack(0, 0, window);
    expect_nothing();
    return host;
  }

  // --- The host ---
  void host_connects(StreamState& host) { event({host.id, SocketEvent::Kind::kConnected, {}}); }
  void host_fails(StreamState& host, NetError error) {
    host.error = error.error;
    event({host.id, SocketEvent::Kind::kConnectFailed, error});
  }
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
  // The next frame, whatever it is.
  Heard hear() {
    skip_advertisements();
    BOOST_REQUIRE_MESSAGE(!link.frames.empty(), "nothing came");
    Heard heard{link.take(), {}};
    heard.packet = heard.frame.packet();
    return heard;
  }
  // The next frame, whose TCP flags are exactly these.
  Heard expect(uint8_t flags) {
    Heard heard = hear();
    BOOST_REQUIRE((heard.packet.ip_header.protocol == IpProtocol::kTcp));
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
  // `bytes` bytes of the host's stream from `offset` on, with these flags beside ACK.
  Heard expect_data(uint32_t offset, size_t bytes, uint8_t flags) {
    Heard heard = expect(static_cast<uint8_t>(kTcpAck | flags));
    BOOST_REQUIRE_EQUAL(offset_of(heard.packet), offset);
    BOOST_REQUIRE_EQUAL(heard.packet.payload.size(), bytes);
    return heard;
  }
  void expect_nothing() {
    skip_advertisements();
    BOOST_REQUIRE_EQUAL(link.frames.size(), 0u);
  }
  // Bytes of the host's stream that all waiting frames carry, from `offset` on and without a hole.
  size_t swallow(uint32_t offset) {
    const uint32_t first = offset;
    while (!link.frames.empty()) {
      const Heard heard = hear();
      if (heard.packet.payload.empty()) continue;
      BOOST_REQUIRE_EQUAL(offset_of(heard.packet), offset);
      offset += static_cast<uint32_t>(heard.packet.payload.size());
    }
    return offset - first;
  }
  static uint32_t window_of(const Packet& packet) { return uint32_t{packet.tcp.window} << 7; }
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
  void skip_advertisements() {
    const auto is_one = [](const SentFrame& f) {
      return f.bytes.size() > 54 && f.bytes[12] == 0x86 && f.bytes[20] == 58 && f.bytes[54] == 134;
    };
    std::erase_if(link.frames, is_one);
  }
  void start() { nat_ = std::make_unique<Nat>(config_, Env{link, sockets, entropy, trace}); }

  Config config_;
  int stuck_ = 0;
  std::unique_ptr<Nat> nat_;
};

inline Config quiet_config() {
  Config config;
  if (family_under_test == Family::kIpv6) {
    config.gateway.ra_interval = 1800s;
    config.topology.mtu += 20;
  } else {
    config.topology.ipv6 = false;  // no router advertisements between the frames of a transcript
  }
  return config;
}

inline Config ipv6_config() {
  Config config;
  config.gateway.ra_interval = 1800s;
  return config;
}

inline IpAddress address(std::string_view text) { return parse_ip(text).value(); }

inline std::string as_text(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace dashi::test
