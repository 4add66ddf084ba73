#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <vector>

#include "sim/link/link_model.hh"

namespace dashi {

namespace {

struct Arrival {
  Instant at;
  Delivery delivery;
};

// Offers `frames` frames of `bytes`, one every `gap`, and gives what came out.
std::vector<Arrival> run(LinkModel& model, uint64_t frames, size_t bytes, Duration gap) {
  std::vector<Arrival> arrivals;
  const auto drain = [&](Instant until) {
    while (model.next_deadline() <= until) {
      const Instant at = model.next_deadline();
      Delivery delivery;
      BOOST_REQUIRE(model.poll(at, delivery));
      arrivals.push_back({at, delivery});
      while (model.poll(at, delivery)) arrivals.push_back({at, delivery});
    }
  };
  Instant now{};
  for (uint64_t token = 0; token < frames; ++token, now += gap) {
    drain(now);
    model.offer(now, token, bytes, bytes - 14);
  }
  drain(kNever - 1ns);
  return arrivals;
}

std::vector<uint64_t> tokens_delivered(const std::vector<Arrival>& arrivals) {
  std::vector<uint64_t> tokens;
  for (const Arrival& arrival : arrivals) {
    if (!arrival.delivery.lost) tokens.push_back(arrival.delivery.token);
  }
  return tokens;
}

LinkModel model_of(const LinkSpec& spec, FaultPlan* plan, uint64_t seed) {
  return LinkModel(spec, Prng(seed, "link", 0), plan, 0);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(prng)

BOOST_AUTO_TEST_CASE(substreams_are_repeatable_and_unlike_each_other) {
  Prng a(1, "link", 0);
  Prng again(1, "link", 0);
  Prng other_entity(1, "link", 1);
  Prng other_name(1, "sockets", 0);
  Prng other_seed(2, "link", 0);
  const uint64_t first = a.next_u64();
  BOOST_TEST(first == again.next_u64());
  BOOST_TEST(first != other_entity.next_u64());
  BOOST_TEST(first != other_name.next_u64());
  BOOST_TEST(first != other_seed.next_u64());
}

// Known values: a change of the generator changes every committed digest, so it must be seen.
BOOST_AUTO_TEST_CASE(the_generator_is_the_one_it_always_was) {
  uint64_t state = 0;
  BOOST_TEST(splitmix64(state) == 0xe220a8397b1dcdafu);  // Vigna's reference output for seed 0
  BOOST_TEST(splitmix64(state) == 0x6e789e6aa1b965f4u);
}

BOOST_AUTO_TEST_CASE(below_and_between_stay_in_range_and_reach_both_ends) {
  Prng prng(3, "test", 0);
  std::array<int, 7> seen{};
  for (int i = 0; i < 7000; ++i) ++seen[static_cast<size_t>(prng.between(10, 16) - 10)];
  for (const int count : seen) BOOST_TEST(std::abs(count - 1000) < 150);
  BOOST_TEST(prng.below(1) == 0u);
}

BOOST_AUTO_TEST_CASE(a_chance_happens_as_often_as_it_says) {
  Prng prng(4, "test", 0);
  int hits = 0;
  for (int i = 0; i < 100'000; ++i) hits += prng.chance(Chance::percent(3)) ? 1 : 0;
  BOOST_TEST(std::abs(hits - 3000) < 250);
  for (int i = 0; i < 100; ++i) {
    BOOST_TEST(!prng.chance(Chance::never()));
    BOOST_TEST(prng.chance(Chance::always()));
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(link_model)

BOOST_AUTO_TEST_CASE(a_frame_takes_its_serialisation_and_the_delay) {
  LinkSpec spec;
  spec.rate_bps = 8'000'000;  // a microsecond a byte
  spec.delay = 10ms;
  LinkModel model = model_of(spec, nullptr, 1);
  const auto arrivals = run(model, 3, 1000, 0ns);
  BOOST_REQUIRE(arrivals.size() == 3u);
  BOOST_TEST((arrivals[0].at == Instant(11ms)));
  BOOST_TEST((arrivals[1].at == Instant(12ms)));
  BOOST_TEST((arrivals[2].at == Instant(13ms)));
}

BOOST_AUTO_TEST_CASE(a_full_queue_drops_the_newest) {
  LinkSpec spec;
  spec.rate_bps = 8'000'000;
  spec.queue_frames = 4;
  LinkModel model = model_of(spec, nullptr, 1);
  const auto tokens = tokens_delivered(run(model, 10, 1000, 0ns));
  BOOST_TEST((tokens == std::vector<uint64_t>{0, 1, 2, 3}));
  BOOST_TEST(model.counts().dropped_queue == 6u);

  spec.queue_frames = 0;
  spec.queue_bytes = 2500;
  LinkModel by_bytes = model_of(spec, nullptr, 1);
  BOOST_TEST(tokens_delivered(run(by_bytes, 10, 1000, 0ns)).size() == 2u);
  BOOST_TEST(by_bytes.queued_bytes(Instant(1h)) == 0u);
}

BOOST_AUTO_TEST_CASE(a_frame_over_the_mtu_is_refused) {
  LinkSpec spec;
  spec.mtu = 1500;
  LinkModel model = model_of(spec, nullptr, 1);
  BOOST_TEST(model.offer(Instant{}, 1, 1514, 1500));
  BOOST_TEST(!model.offer(Instant{}, 2, 1515, 1501));
  BOOST_TEST(model.counts().dropped_mtu == 1u);
}

BOOST_AUTO_TEST_CASE(independent_loss_is_as_often_as_asked) {
  LinkSpec spec;
  spec.faults.loss = Chance::percent(5);
  LinkModel model = model_of(spec, nullptr, 7);
  const auto arrivals = run(model, 20'000, 100, 1us);
  BOOST_TEST(arrivals.size() == 20'000u);  // every token comes back
  BOOST_TEST(std::abs(static_cast<int>(model.counts().lost) - 1000) < 150);
}

BOOST_AUTO_TEST_CASE(bursty_loss_comes_in_runs_of_the_expected_length) {
  LinkSpec spec;
  spec.faults.bursts = {Chance::percent(1), Chance::percent(25), Chance::never(), Chance::always()};
  LinkModel model = model_of(spec, nullptr, 8);
  std::vector<bool> lost(50'000);
  for (const Arrival& arrival : run(model, lost.size(), 100, 1us)) {
    lost[static_cast<size_t>(arrival.delivery.token)] = arrival.delivery.lost;
  }
  int losses = 0;
  int runs = 0;
  for (size_t i = 0; i < lost.size(); ++i) {
    losses += lost[i] ? 1 : 0;
    runs += lost[i] && (i == 0 || !lost[i - 1]) ? 1 : 0;
  }
  // Mean burst 1/0.25 = 4 frames, share of bad time 0.01/(0.01+0.25) = 3.8 %.
  BOOST_TEST(std::abs(losses * 10 / runs - 40) <= 6);
  BOOST_TEST(std::abs(losses - 1923) < 300);
}

BOOST_AUTO_TEST_CASE(jitter_keeps_the_order_and_reordering_by_delay_does_not) {
  LinkSpec spec;
  spec.delay = 1ms;
  spec.faults.jitter = {0ms, 5ms};
  LinkModel jittery = model_of(spec, nullptr, 9);
  auto tokens = tokens_delivered(run(jittery, 500, 100, 100us));
  BOOST_TEST(std::is_sorted(tokens.begin(), tokens.end()));

  spec.faults.jitter = {};
  spec.faults.reorder_by_delay = Chance::percent(10);
  spec.faults.reorder_delay = {1ms, 2ms};
  LinkModel reordering = model_of(spec, nullptr, 9);
  tokens = tokens_delivered(run(reordering, 500, 100, 100us));
  BOOST_TEST(!std::is_sorted(tokens.begin(), tokens.end()));
  BOOST_TEST(tokens.size() == 500u);
}

BOOST_AUTO_TEST_CASE(reordering_by_distance_lets_that_many_frames_by_or_gives_up_in_time) {
  FaultPlan plan({{0, FaultDecision::Kind::kHold, 1, 2}, {0, FaultDecision::Kind::kHold, 5, 3}});
  LinkSpec spec;
  LinkModel model = model_of(spec, &plan, 1);
  const auto arrivals = run(model, 6, 100, 1ms);
  BOOST_TEST((tokens_delivered(arrivals) == std::vector<uint64_t>{0, 2, 3, 1, 4, 5}));
  BOOST_TEST((arrivals[3].at == Instant(3ms)));
  BOOST_TEST((arrivals[5].at == Instant(5ms) + spec.faults.reorder_hold_max));
}

BOOST_AUTO_TEST_CASE(a_duplicate_arrives_twice_and_its_token_comes_back_once) {
  LinkSpec spec;
  spec.faults.duplicate = Chance::always();
  LinkModel model = model_of(spec, nullptr, 1);
  const auto arrivals = run(model, 2, 100, 1ms);
  BOOST_TEST((tokens_delivered(arrivals) == std::vector<uint64_t>{0, 0, 1, 1}));
  BOOST_TEST(!arrivals[0].delivery.last);
  BOOST_TEST(arrivals[1].delivery.last);
}

BOOST_AUTO_TEST_CASE(nothing_of_a_token_arrives_after_its_last_copy) {
  LinkSpec spec;
  spec.faults.duplicate = Chance::percent(30);
  spec.faults.reorder_by_delay = spec.faults.reorder_by_distance = Chance::percent(30);
  spec.faults.reorder_delay = {1ms, 9ms};
  LinkModel model = model_of(spec, nullptr, 3);
  std::vector<int> lasts(2000, 0);
  for (const Arrival& arrival : run(model, 2000, 100, 1ms)) {
    BOOST_REQUIRE(lasts[arrival.delivery.token] == 0);
    lasts[arrival.delivery.token] += arrival.delivery.last ? 1 : 0;
  }
  BOOST_TEST(std::count(lasts.begin(), lasts.end(), 1) == 2000);
}

BOOST_AUTO_TEST_CASE(nothing_passes_a_blackout) {
  LinkSpec spec;
  spec.faults.blackouts = {{Instant(10ms), 5ms}};
  LinkModel model = model_of(spec, nullptr, 1);
  const auto tokens = tokens_delivered(run(model, 20, 100, 1ms));
  BOOST_TEST(tokens.size() == 15u);
  BOOST_TEST((tokens[10] == 15u));
}

BOOST_AUTO_TEST_CASE(damage_is_what_its_decision_says) {
  std::vector<uint8_t> frame(60, 0);
  FrameFate fate;
  fate.flip_bit = 8 * 7 + 3;
  fate.smash_offset = 20;
  fate.smash_xor = 0xff;
  fate.truncate_to = 40;
  const MutableBytes left = damage(fate, frame);
  BOOST_TEST(left.size() == 40u);
  BOOST_TEST(frame[7] == 8);
  BOOST_TEST(frame[20] == 0xff);
  BOOST_TEST(std::count(frame.begin(), frame.end(), 0) == 58);
}

BOOST_AUTO_TEST_CASE(a_run_repeated_from_its_decisions_is_the_same_run) {
  LinkSpec spec;
  spec.rate_bps = 10'000'000;
  spec.delay = 3ms;
  LinkFaults& faults = spec.faults;
  faults.loss = faults.duplicate = Chance::percent(5);
  faults.bursts = {Chance::percent(2), Chance::percent(30), Chance::never(), Chance::percent(80)};
  faults.reorder_by_delay = faults.reorder_by_distance = Chance::percent(5);
  faults.reorder_delay = {1ms, 4ms};
  faults.jitter = {0us, 300us};
  faults.corrupt_bit = faults.corrupt_header = Chance::percent(2);
  faults.corrupt_checksum = faults.truncate = Chance::percent(2);
  FaultPlan recorded(true);
  LinkModel first = model_of(spec, &recorded, 42);
  const auto drawn = run(first, 2000, 500, 200us);
  FaultPlan given(recorded.decisions());
  LinkModel second = model_of(spec, &given, 4711);  // the seed no longer matters
  const auto replayed = run(second, 2000, 500, 200us);
  BOOST_REQUIRE(drawn.size() == replayed.size());
  for (size_t i = 0; i < drawn.size(); ++i) {
    BOOST_REQUIRE((drawn[i].at == replayed[i].at));
    BOOST_REQUIRE(drawn[i].delivery.token == replayed[i].delivery.token);
    BOOST_REQUIRE(drawn[i].delivery.lost == replayed[i].delivery.lost);
    BOOST_REQUIRE((drawn[i].delivery.fate.flip_bit == replayed[i].delivery.fate.flip_bit));
  }
  FaultPlan nothing((std::vector<FaultDecision>()));
  LinkModel shrunk = model_of(spec, &nothing, 42);
  BOOST_TEST(tokens_delivered(run(shrunk, 2000, 500, 200us)).size() == 2000u);
}

BOOST_AUTO_TEST_CASE(a_link_may_get_another_rate_and_mtu_which_is_written_down_and_repeats) {
  LinkSpec spec;
  spec.rate_bps = 10'000'000;
  spec.mtu = 1500;
  spec.faults.rate_change = spec.faults.mtu_change = Chance::percent(3);
  spec.faults.rate_least = 1'000'000;
  spec.faults.rate_most = 20'000'000;
  spec.faults.mtu_least = 600;
  FaultPlan recorded(true);
  LinkModel first = model_of(spec, &recorded, 42);
  const auto drawn = run(first, 2000, 1014, 500us);
  const auto of_kind = [&](FaultDecision::Kind kind) {
    const auto& all = recorded.decisions();
    return std::count_if(all.begin(), all.end(),
                         [kind](const FaultDecision& d) { return d.kind == kind; });
  };
  BOOST_TEST(of_kind(FaultDecision::Kind::kRate) > 30);
  BOOST_TEST(of_kind(FaultDecision::Kind::kMtu) > 30);
  BOOST_TEST(first.counts().dropped_mtu > 20u);  // of 1,000 bytes of IP
  BOOST_TEST(first.counts().delivered > 100u);
  FaultPlan given(recorded.decisions());
  LinkModel second = model_of(spec, &given, 4711);
  const auto replayed = run(second, 2000, 1014, 500us);
  BOOST_REQUIRE(drawn.size() == replayed.size());
  for (size_t i = 0; i < drawn.size(); ++i) {
    BOOST_REQUIRE((drawn[i].at == replayed[i].at));
    BOOST_REQUIRE(drawn[i].delivery.token == replayed[i].delivery.token);
  }
}

BOOST_AUTO_TEST_CASE(a_changed_rate_and_mtu_hold_from_their_frame_on_until_the_spec_is_set) {
  LinkSpec spec;
  spec.rate_bps = 8'000'000;
  const uint32_t stream = link_changes_of(0);
  FaultPlan given({{stream, FaultDecision::Kind::kRate, 1, 800'000},
                   {stream, FaultDecision::Kind::kMtu, 2, 900}});
  LinkModel model = model_of(spec, &given, 1);
  const auto arrivals = run(model, 4, 1000, 1s);
  BOOST_REQUIRE(arrivals.size() == 2u);  // 986 bytes of IP are too long from the third on
  BOOST_TEST((arrivals[0].at == Instant(1ms)));
  BOOST_TEST((arrivals[1].at == Instant(1s + 10ms)));
  BOOST_TEST(model.mtu() == 900u);
  BOOST_TEST(model.counts().dropped_mtu == 2u);
  model.set_spec(spec);
  BOOST_TEST(model.mtu() == 0u);
  BOOST_TEST(model.rate_bps() == 8'000'000u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
