// Damaged frames: a corpus of good ones of every protocol, each bent in ways drawn from a fixed seed.
// None may crash; each comes to nothing at most once, and one that does not parse exactly once.

#include "core/nat/fragments.hh"
#include "tests/core/nat/frame_corpus.hh"
#include "tests/support/mend_checksums.hh"

namespace dashi::test {
namespace {

class Dice {
 public:
  explicit Dice(uint32_t seed) { entropy_.state = seed; }
  uint32_t operator()() { return static_cast<uint32_t>(entropy_.next_u64() >> 16); }

 private:
  FakeEntropy entropy_;
};

ByteVector bend(Dice& dice, ByteVector frame) {
  const uint32_t times = 1 + dice() % 3;
  for (uint32_t i = 0; i < times && !frame.empty(); ++i) {
    // More often in the headers than in what they carry.
    const size_t where = dice() % std::min<size_t>(frame.size(), dice() % 4 == 0 ? 1500 : 90);
    switch (dice() % 6) {
      case 0:
        frame[where] ^= static_cast<uint8_t>(1u << dice() % 8);
        break;
      case 1:
        frame[where] = static_cast<uint8_t>(dice());
        break;
      case 2:
        frame[where] = dice() % 2 == 0 ? 0x00 : 0xff;
        break;
      case 3:
        frame.resize(dice() % frame.size());
        break;
      case 4:
        frame.resize(frame.size() + dice() % 40, 0xaa);
        break;
      case 5:
        frame.insert(frame.begin() + static_cast<ptrdiff_t>(where), static_cast<uint8_t>(dice()));
        break;
    }
  }
  if (dice() % 2 == 0) mend_checksums(frame);
  return frame;
}

Offload some_offload(Dice& dice) {
  Offload offload;
  if (dice() % 4 != 0) return offload;
  offload.gso_type = static_cast<GsoType>(dice() % 4);
  offload.gso_size = static_cast<uint16_t>(dice() % 3 == 0 ? 0 : dice() % 2000);
  offload.hdr_len = static_cast<uint16_t>(dice() % 200);
  offload.csum_partial = dice() % 2 == 0;
  offload.csum_start = static_cast<uint16_t>(dice() % 2 == 0 ? 34 : dice() % 100);
  offload.csum_offset = static_cast<uint16_t>(dice() % 2 == 0 ? 16 : dice() % 30);
  offload.csum_trusted = dice() % 2 == 0;
  return offload;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(nat_mutation, NatBench)

BOOST_AUTO_TEST_CASE(is_fed_a_corpus_that_is_good_to_begin_with) {
  for (const ByteVector& frame : frame_corpus()) {
    Packet packet;
    const auto parsed = parse(frame, {}, 1500, packet);
    BOOST_TEST(parsed.ok(), (parsed.ok() ? "" : name_of(parsed.error())));
    BOOST_TEST(feed(frame) <= 1u);
  }
}

BOOST_AUTO_TEST_CASE(drops_each_damaged_frame_at_most_once_and_a_malformed_one_exactly_once) {
  const uint32_t seed = 4242;
  BOOST_TEST_MESSAGE("seed " << seed);
  Dice dice(seed);
  const auto frames = frame_corpus();
  uint64_t malformed = 0;
  uint64_t traced = 0;
  const uint64_t dropped_before = drops();
  for (int i = 0; i < 12000; ++i) {
    const ByteVector frame = bend(dice, frames[dice() % frames.size()]);
    const Offload offload = some_offload(dice);
    Packet packet;
    const auto parsed = parse(frame, offload, 1500, packet);
    const bool parses = parsed.ok();
    // A fragment may wait for others, and may end those that waited.
    const bool fragment = !parses && Fragments::is_fragment(parsed.error());
    trace.events.clear();
    const uint64_t dropped = feed(frame, offload);
    if (!fragment) BOOST_REQUIRE_LE(dropped, 1u);
    if (!parses && !fragment) BOOST_REQUIRE_EQUAL(dropped, 1u);
    malformed += parses ? 0 : 1;
    for (const SentFrame& sent : link.frames) sent.packet();  // what we answer is well-formed
    link.frames.clear();
    if (i % 100 == 0) {
      // The host side lives meanwhile: connects succeed, bytes come and go.
      for (StreamState& stream : sockets.streams) {
        if (stream.closed) continue;
        stream.incoming.push_back('x');
        for (const auto kind : {SocketEvent::Kind::kConnected, SocketEvent::Kind::kReadable}) {
          const SocketEvent event{stream.id, kind, {}};
          nat->handle_sockets(now, {&event, 1});
        }
      }
      now += 700ms;
      nat->handle_timers(now);
      nat->flush(now);
    }
    for (const TraceEvent& event : trace.events) {
      traced += event.kind == TraceEvent::Kind::kDrop ? 1 : 0;
    }
  }
  BOOST_TEST(traced == drops() - dropped_before);
  BOOST_TEST(malformed > 2000u);
  BOOST_TEST(malformed < 11000u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
