#include "core/base/siphash.hh"

#include <array>
#include <boost/test/unit_test.hpp>
#include <numeric>

namespace dashi {

BOOST_AUTO_TEST_SUITE(siphash_suite)

// The example of appendix A of the SipHash paper, and entries of its reference vectors.
BOOST_AUTO_TEST_CASE(gives_the_published_vectors) {
  const SipKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::array<uint8_t, 64> message{};
  std::iota(message.begin(), message.end(), uint8_t{0});
  BOOST_TEST(siphash(key, Bytes(message).first(0)) == 0x726fdb47dd0e0e31u);
  BOOST_TEST(siphash(key, Bytes(message).first(8)) == 0x93f5f5799a932462u);
  BOOST_TEST(siphash(key, Bytes(message).first(15)) == 0xa129ca6149be45e5u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
