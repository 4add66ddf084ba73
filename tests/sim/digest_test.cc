#include "sim/digest.hh"

#include <boost/test/unit_test.hpp>

namespace dashi {

namespace {

// A run of `events` events, one of which is different when `planted` says so.
Digest run(const DigestOptions& options, uint64_t events, uint64_t planted) {
  Digest digest(options);
  for (uint64_t i = 0; i < events; ++i) {
    const std::array<uint8_t, 2> bytes{static_cast<uint8_t>(i), 7};
    const uint64_t argument = i == planted ? 1 : 0;
    digest.record(Instant(Duration(static_cast<int64_t>(i) * 10)), DigestKind::kFrameUp, 3,
                  argument, bytes);
  }
  return digest;
}

constexpr uint64_t kNone = ~uint64_t{0};

}  // namespace

BOOST_AUTO_TEST_SUITE(digest)

BOOST_AUTO_TEST_CASE(equal_runs_have_equal_digests_and_every_field_counts) {
  const DigestOptions options{};
  BOOST_TEST((run(options, 5000, kNone).value() == run(options, 5000, kNone).value()));
  BOOST_TEST((run(options, 5000, kNone).value() != run(options, 4999, kNone).value()));
  Digest base(options);
  base.record(Instant(1ns), DigestKind::kFrameUp, 1, 1, Bytes{});
  std::vector<Hash128> others;
  for (int field = 0; field < 5; ++field) {
    Digest other(options);
    const std::array<uint8_t, 1> bytes{};
    other.record(Instant(Duration(field == 0 ? 2 : 1)),
                 field == 1 ? DigestKind::kFrameDown : DigestKind::kFrameUp, field == 2 ? 2u : 1u,
                 field == 3 ? 2u : 1u, field == 4 ? Bytes(bytes) : Bytes{});
    BOOST_TEST((other.value() != base.value()));
  }
}

// The hash of a fixed run: the canonical form must be the same in every build and for ever.
BOOST_AUTO_TEST_CASE(the_canonical_form_does_not_change) {
  BOOST_TEST(to_string(run(DigestOptions{}, 100, kNone).value()) ==
             "fc26b629fda4546809f0eb9aa71cc497");
}

BOOST_AUTO_TEST_CASE(the_first_difference_is_found_wherever_it_is) {
  for (const uint64_t planted :
       {uint64_t{0}, uint64_t{1023}, uint64_t{1024}, uint64_t{3333}, uint64_t{4999}}) {
    const auto difference = find_difference(
        [](const DigestOptions& options) { return run(options, 5000, kNone); },
        [planted](const DigestOptions& options) { return run(options, 5000, planted); });
    BOOST_REQUIRE(difference.has_value());
    BOOST_TEST(difference->index == planted);
    BOOST_REQUIRE((difference->left.has_value() && difference->right.has_value()));
    BOOST_TEST(difference->right->argument == 1u);
    BOOST_TEST(to_string(*difference).find("frame-up") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_run_that_ends_early_differs_where_it_ended) {
  const auto difference =
      find_difference([](const DigestOptions& options) { return run(options, 2048, kNone); },
                      [](const DigestOptions& options) { return run(options, 2050, kNone); });
  BOOST_REQUIRE(difference.has_value());
  BOOST_TEST(difference->index == 2048u);
  BOOST_TEST(!difference->left.has_value());
  BOOST_TEST(difference->right.has_value());
}

BOOST_AUTO_TEST_CASE(equal_runs_have_no_difference) {
  const auto same = [](const DigestOptions& options) { return run(options, 3000, kNone); };
  BOOST_TEST(!find_difference(same, same).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
