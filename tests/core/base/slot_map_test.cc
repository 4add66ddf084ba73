#include "core/base/slot_map.hh"

#include <boost/test/unit_test.hpp>
#include <set>
#include <string>

namespace dashi {

BOOST_AUTO_TEST_SUITE(slot_map)

BOOST_AUTO_TEST_CASE(takes_the_lowest_free_slot_and_refuses_when_full) {
  SlotMap<std::string> map(130);
  for (uint32_t i = 0; i < 130; ++i) BOOST_TEST(map.emplace("x") == i);
  BOOST_TEST(map.full());
  BOOST_TEST(map.emplace("y") == SlotMap<std::string>::kNone);
  map.erase(70);
  map.erase(3);
  BOOST_TEST(map.emplace("z") == 3u);
  BOOST_TEST(map.emplace("z") == 70u);
}

BOOST_AUTO_TEST_CASE(tells_a_former_tenant_from_the_present_one) {
  SlotMap<int> map(4);
  const uint32_t slot = map.emplace(1);
  const uint32_t generation = map.generation(slot);
  BOOST_TEST(map.contains(slot, generation));
  map.erase(slot);
  BOOST_TEST(!map.contains(slot, generation));
  BOOST_TEST(map.emplace(2) == slot);
  BOOST_TEST(!map.contains(slot, generation));
  BOOST_TEST(map.contains(slot, map.generation(slot)));
}

BOOST_AUTO_TEST_CASE(scans_like_an_ordered_set_under_random_inserts_and_erases) {
  constexpr uint32_t kCapacity = 5000;
  SlotBitmap bitmap(kCapacity);
  std::set<uint32_t> model;
  uint32_t x = 12345;
  for (int step = 0; step < 20000; ++step) {
    x = x * 1664525 + 1013904223;
    const uint32_t slot = (x >> 8) % kCapacity;
    if ((x >> 30) != 0) {
      bitmap.set(slot);
      model.insert(slot);
    } else {
      bitmap.clear(slot);
      model.erase(slot);
    }
    const uint32_t from = (x >> 4) % kCapacity;
    const auto next = model.lower_bound(from);
    BOOST_REQUIRE(bitmap.next_set(from) == (next == model.end() ? SlotBitmap::kNone : *next));
    BOOST_REQUIRE(bitmap.count() == model.size());
  }
  for (uint32_t slot = 0; slot < kCapacity; ++slot) bitmap.set(slot);
  BOOST_TEST(bitmap.lowest_clear() == SlotBitmap::kNone);
  bitmap.clear(4999);
  BOOST_TEST(bitmap.lowest_clear() == 4999u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
