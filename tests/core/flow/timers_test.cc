#include "core/flow/timers.hh"

#include <boost/test/unit_test.hpp>
#include <map>

#include "core/flow/delay_queue.hh"
#include "core/flow/rate_limiter.hh"
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

Instant at(int64_t ns) { return instant_from_nanoseconds(ns); }

}  // namespace

BOOST_AUTO_TEST_SUITE(flow_timers)

BOOST_AUTO_TEST_CASE(comes_up_in_order_of_deadline_and_then_of_slot) {
  Timers timers(8);
  timers.arm(5, at(20));
  timers.arm(7, at(10));
  timers.arm(2, at(20));
  timers.arm(0, kNever);  // no wish at all
  BOOST_TEST((timers.next() == at(10)));
  BOOST_TEST(timers.pop_due(at(9)) == Timers::kNone);
  BOOST_TEST(timers.pop_due(at(20)) == 7u);
  BOOST_TEST(timers.pop_due(at(20)) == 2u);
  BOOST_TEST(timers.pop_due(at(20)) == 5u);
  BOOST_TEST(timers.pop_due(at(20)) == Timers::kNone);
  BOOST_TEST((timers.next() == kNever));
}

BOOST_AUTO_TEST_CASE(moves_an_entry_earlier_but_not_later) {
  Timers timers(4);
  timers.arm(1, at(50));
  timers.arm(1, at(90));
  BOOST_TEST((timers.next() == at(50)));
  timers.arm(1, at(30));
  BOOST_TEST((timers.next() == at(30)));
  BOOST_TEST(timers.pop_due(at(100)) == 1u);
  BOOST_TEST(timers.pop_due(at(100)) == Timers::kNone);  // one entry a slot
}

BOOST_AUTO_TEST_CASE(agrees_with_a_sorted_map_whatever_is_done) {
  const uint32_t seed = 7;
  BOOST_TEST_MESSAGE("seed " << seed);
  Dice dice(seed);
  constexpr uint32_t kSlots = 200;
  auto timers = std::make_unique<Timers>(kSlots);
  std::map<uint32_t, int64_t> model;  // slot -> deadline
  const auto first = [&] {
    auto best = model.end();
    for (auto it = model.begin(); it != model.end(); ++it) {
      if (best == model.end() || it->second < best->second) best = it;
    }
    return best;  // the lowest slot of the earliest deadline
  };
  int64_t now = 0;
  for (int step = 0; step < 20000; ++step) {
    const uint32_t slot = dice() % kSlots;
    switch (dice() % 4) {
      case 0:
      case 1: {
        const int64_t deadline = now + static_cast<int64_t>(dice() % 50);
        timers->arm(slot, at(deadline));
        const auto [it, added] = model.emplace(slot, deadline);
        if (!added) it->second = std::min(it->second, deadline);
        break;
      }
      case 2:
        timers->clear(slot);
        model.erase(slot);
        break;
      case 3: {
        now += static_cast<int64_t>(dice() % 3);
        const auto due = first();
        const uint32_t popped = timers->pop_due(at(now));
        if (due == model.end() || due->second > now) {
          BOOST_REQUIRE(popped == Timers::kNone);
        } else {
          BOOST_REQUIRE_EQUAL(popped, due->first);
          model.erase(due);
        }
        break;
      }
    }
    const auto next = first();
    BOOST_REQUIRE((timers->next() == (next == model.end() ? kNever : at(next->second))));
    if (step % 1000 == 999) {
      MemoryArchive archive;
      ArchiveWriter writer(archive);
      timers->save(writer);
      timers = std::make_unique<Timers>(kSlots);
      ArchiveReader reader(archive);
      BOOST_REQUIRE(timers->restore(reader));
    }
  }
}

BOOST_AUTO_TEST_CASE(refuses_an_archive_with_a_slot_it_does_not_have) {
  Timers big(100);
  big.arm(99, at(1));
  MemoryArchive archive;
  ArchiveWriter writer(archive);
  big.save(writer);
  Timers small(10);
  ArchiveReader reader(archive);
  BOOST_TEST(!small.restore(reader));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(flow_delay_queue)

BOOST_AUTO_TEST_CASE(gives_slots_out_as_they_came_in_once_due) {
  DelayQueue queue(8);
  BOOST_TEST((queue.next() == kNever));
  queue.push(5, at(10));
  queue.push(2, at(10));
  queue.push(7, at(20));
  queue.push(0, at(15));  // not before the one in front of it
  BOOST_TEST((queue.next() == at(10)));
  BOOST_TEST(queue.pop_due(at(9)) == DelayQueue::kNone);
  BOOST_TEST(queue.pop_due(at(10)) == 5u);
  BOOST_TEST(queue.pop_due(at(10)) == 2u);
  BOOST_TEST(queue.pop_due(at(19)) == DelayQueue::kNone);
  BOOST_TEST(queue.pop_due(at(20)) == 7u);
  BOOST_TEST(queue.pop_due(at(20)) == 0u);
  BOOST_TEST((queue.next() == kNever));
}

BOOST_AUTO_TEST_CASE(agrees_with_a_list_whatever_is_done) {
  const uint32_t seed = 11;
  BOOST_TEST_MESSAGE("seed " << seed);
  Dice dice(seed);
  constexpr uint32_t kSlots = 40;
  auto queue = std::make_unique<DelayQueue>(kSlots);
  std::vector<std::pair<uint32_t, int64_t>> model;
  int64_t now = 0;
  for (int step = 0; step < 20000; ++step) {
    const uint32_t slot = dice() % kSlots;
    const auto is_it = [&](const auto& entry) { return entry.first == slot; };
    const auto it = std::find_if(model.begin(), model.end(), is_it);
    BOOST_REQUIRE_EQUAL(queue->contains(slot), it != model.end());
    if (dice() % 3 == 0) {
      now += static_cast<int64_t>(dice() % 4);
      const uint32_t popped = queue->pop_due(at(now));
      const bool due = !model.empty() && model.front().second <= now;
      BOOST_REQUIRE_EQUAL(popped, due ? model.front().first : DelayQueue::kNone);
      if (due) model.erase(model.begin());
    } else if (it == model.end()) {
      queue->push(slot, at(now + 40));
      model.emplace_back(slot, now + 40);
    } else {
      queue->remove(slot);
      model.erase(it);
    }
    BOOST_REQUIRE((queue->next() == (model.empty() ? kNever : at(model.front().second))));
    if (step % 1000 != 999) continue;
    MemoryArchive archive;
    ArchiveWriter writer(archive);
    queue->save(writer);
    queue = std::make_unique<DelayQueue>(kSlots);
    ArchiveReader reader(archive);
    BOOST_REQUIRE(queue->restore(reader));
  }
}

BOOST_AUTO_TEST_CASE(refuses_an_archive_with_a_slot_it_does_not_have_or_has_twice) {
  DelayQueue big(100);
  big.push(99, at(1));
  MemoryArchive archive;
  ArchiveWriter writer(archive);
  big.save(writer);
  DelayQueue small(10);
  ArchiveReader reader(archive);
  BOOST_TEST(!small.restore(reader));
  MemoryArchive twice;
  ArchiveWriter again(twice);
  uint32_t slot = 3;
  Instant deadline = at(1);
  again(slot, deadline, slot, deadline);
  ArchiveReader second(twice);
  BOOST_TEST(!DelayQueue(10).restore(second));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(flow_rate_limiter)

BOOST_AUTO_TEST_CASE(allows_a_burst_and_then_the_rate) {
  RateLimiter limiter(100, 5);
  const Instant start = at(1'000'000'000);
  for (int i = 0; i < 5; ++i) BOOST_TEST(limiter.allow(start));
  BOOST_TEST(!limiter.allow(start));
  BOOST_TEST(!limiter.allow(start + 9ms));
  BOOST_TEST(limiter.allow(start + 10ms));
  BOOST_TEST(!limiter.allow(start + 10ms));
  int allowed = 0;
  for (int ms = 11; ms <= 1010; ++ms) allowed += limiter.allow(start + ms * 1ms) ? 1 : 0;
  BOOST_TEST(allowed == 100);
}

BOOST_AUTO_TEST_CASE(saves_up_no_more_than_its_burst) {
  RateLimiter limiter(100, 5);
  const Instant later = at(1'000'000'000) + 1h;
  int allowed = 0;
  for (int i = 0; i < 50; ++i) allowed += limiter.allow(later) ? 1 : 0;
  BOOST_TEST(allowed == 5);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
