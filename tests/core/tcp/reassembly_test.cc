#include "core/tcp/reassembly.hh"

#include <boost/test/unit_test.hpp>
#include <map>

#include "core/tcp/seq.hh"
#include "tests/support/fake_env.hh"

namespace dashi::test {
namespace {

class Dice {
 public:
  explicit Dice(uint32_t seed) { entropy_.state = seed; }
  uint32_t operator()() { return static_cast<uint32_t>(entropy_.next_u64() >> 16); }

 private:
  FakeEntropy entropy_;
};

// The bytes it holds from offset 0 on.
ByteVector front_of(const Reassembly& held) {
  std::array<Bytes, 512> views;
  const size_t count = held.view(views);
  ByteVector out;
  for (size_t i = 0; i < count; ++i) append(out, views[i]);
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_reassembly)

BOOST_AUTO_TEST_CASE(compares_numbers_across_the_wrap) {
  const SeqNum before(0xfffffff0);
  const SeqNum after = before + 0x20;
  BOOST_TEST(after.raw() == 0x10u);
  BOOST_TEST(before.before(after));
  BOOST_TEST(after.after(before));
  BOOST_TEST(!after.before(before));
  BOOST_TEST(before.at_or_before(before));
  BOOST_TEST(bytes_between(before, after) == 0x20u);
  BOOST_TEST((after - before) == 0x20);
  BOOST_TEST((later(before, after) == after));
}

BOOST_AUTO_TEST_CASE(keeps_what_came_first_where_segments_overlap) {
  BlockPool pool(1 << 20);
  Reassembly held(pool, 65536, 8);
  BOOST_TEST(held.insert(5, text("BBBBB")) == 5u);
  BOOST_TEST(held.has_gaps());
  BOOST_TEST(held.contiguous() == 0u);
  BOOST_TEST(held.insert(0, text("AAAAAAAAAAAA")) == 12u);
  BOOST_TEST((front_of(held) == text("AAAAABBBBBAA")));
  BOOST_TEST(!held.has_gaps());
  BOOST_TEST(held.ranges() == 1u);
}

BOOST_AUTO_TEST_CASE(gives_every_block_back_when_it_runs_empty) {
  BlockPool pool(1 << 20);
  Reassembly held(pool, 65536, 8);
  held.insert(0, pattern(50'000));
  BOOST_TEST(pool.taken() == 13u);
  held.advance(20'000);
  BOOST_TEST(pool.taken() == 9u);  // from the fifth on
  BOOST_TEST(held.blocks() == 9u);
  held.advance(30'000);
  BOOST_TEST(pool.taken() == 0u);
  BOOST_TEST(held.blocks() == 0u);
  BOOST_TEST(held.empty());
}

BOOST_AUTO_TEST_CASE(holds_no_byte_beyond_its_bound) {
  BlockPool pool(1 << 20);
  Reassembly held(pool, 10'000, 8);
  BOOST_TEST(held.insert(9'990, pattern(100)) == 10u);
  BOOST_TEST(held.insert(10'000, pattern(100)) == 0u);
  BOOST_TEST(held.insert(0, pattern(20'000)) == 10'000u);
}

BOOST_AUTO_TEST_CASE(holds_what_memory_there_is_and_says_how_much) {
  BlockPool pool(2 * BlockPool::kBlockBytes);
  Reassembly held(pool, 65536, 8);
  BOOST_TEST(held.insert(0, pattern(10'000)) == 2 * BlockPool::kBlockBytes);
  BOOST_TEST(held.insert(20'000, pattern(10)) == 0u);
  BOOST_TEST(held.ranges() == 1u);
  held.advance(2 * BlockPool::kBlockBytes);
  BOOST_TEST(held.insert(20'000, pattern(10)) == 10u);
}

BOOST_AUTO_TEST_CASE(agrees_with_a_map_of_bytes) {
  const uint32_t seed = 20261122;
  BOOST_TEST_MESSAGE("seed " << seed);
  Dice dice(seed);
  BlockPool pool(40 * BlockPool::kBlockBytes);
  auto held = std::make_unique<Reassembly>(pool, 100'000, 16);
  std::map<size_t, uint8_t> model;  // offset -> byte
  uint64_t base = 0;                // stream offset of offset 0: the byte there is a hash of it
  const auto byte_at = [](uint64_t at) { return static_cast<uint8_t>(at * 2654435761u >> 7); };
  for (int step = 0; step < 6000; ++step) {
    const uint32_t what = dice() % 8;
    if (what < 5) {
      const size_t offset = dice() % (what < 2 ? 20 : 99'000);
      ByteVector bytes(1 + dice() % 3000);
      for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = byte_at(base + offset + i);
      const size_t kept = held->insert(offset, bytes);
      BOOST_REQUIRE_LE(kept, bytes.size());
      for (size_t i = 0; i < kept; ++i) model.emplace(offset + i, bytes[i]);
    } else if (what < 7) {
      const size_t n = dice() % (held->contiguous() + 50);
      held->advance(n);
      base += n;
      std::map<size_t, uint8_t> moved;
      for (const auto& [at, byte] : model) {
        if (at >= n) moved.emplace(at - n, byte);
      }
      model = std::move(moved);
    } else if (dice() % 20 == 0) {  // through an archive
      MemoryArchive archive;
      ArchiveWriter writer(archive);
      held->save(writer);
      const uint32_t taken = pool.taken();
      held = std::make_unique<Reassembly>(pool, 100'000, 16);
      ArchiveReader reader(archive);
      BOOST_REQUIRE(held->restore(reader));
      BOOST_REQUIRE_LE(pool.taken(), taken);
    }
    size_t contiguous = 0;
    for (const auto& [at, byte] : model) {
      if (at != contiguous) break;
      ++contiguous;
    }
    BOOST_REQUIRE_EQUAL(held->contiguous(), contiguous);
    BOOST_REQUIRE_EQUAL(held->extent(), model.empty() ? 0 : model.rbegin()->first + 1);
    const ByteVector front = front_of(*held);
    BOOST_REQUIRE_EQUAL(front.size(), contiguous);
    for (size_t i = 0; i < front.size(); i += 1 + front.size() / 64) {
      BOOST_REQUIRE_EQUAL(front[i], model.at(i));
    }
    BOOST_REQUIRE_LE(held->ranges(), 17u);
  }
  held->clear();
  BOOST_TEST(pool.taken() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
