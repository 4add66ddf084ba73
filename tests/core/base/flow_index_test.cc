#include "core/base/flow_index.hh"

#include <boost/test/unit_test.hpp>
#include <map>

namespace dashi {

BOOST_AUTO_TEST_SUITE(flow_index)

BOOST_AUTO_TEST_CASE(agrees_with_a_map_under_random_inserts_and_erases) {
  FlowIndex<uint64_t> index(512, SipKey{1, 2});
  std::map<uint64_t, uint32_t> model;
  uint64_t x = 88172645463325252;
  for (int step = 0; step < 50000; ++step) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    const uint64_t key = x % 700;
    const auto known = model.find(key);
    if (known != model.end()) {
      BOOST_REQUIRE(index.find(key) == known->second);
      index.erase(key);
      model.erase(known);
    } else if (model.size() < 512) {
      BOOST_REQUIRE(index.find(key) == FlowIndex<uint64_t>::kNone);
      index.insert(key, static_cast<uint32_t>(step));
      model.emplace(key, static_cast<uint32_t>(step));
    }
    BOOST_REQUIRE(index.size() == model.size());
  }
  for (const auto& [key, slot] : model) BOOST_REQUIRE(index.find(key) == slot);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
