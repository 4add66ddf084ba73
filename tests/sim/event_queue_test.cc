#include "sim/event_queue.hh"

#include <array>
#include <boost/test/unit_test.hpp>
#include <memory>
#include <vector>

namespace dashi {

BOOST_AUTO_TEST_SUITE(event_queue)

BOOST_AUTO_TEST_CASE(events_run_by_time_and_within_an_instant_as_scheduled) {
  EventQueue queue;
  std::vector<int> ran;
  queue.schedule(Instant(20ns), [&] { ran.push_back(3); });
  queue.schedule(Instant(10ns), [&] { ran.push_back(1); });
  queue.schedule(Instant(10ns), [&] { ran.push_back(2); });
  BOOST_TEST(queue.run() == 3u);
  BOOST_TEST((ran == std::vector<int>{1, 2, 3}));
  BOOST_TEST((queue.now() == Instant(20ns)));
}

BOOST_AUTO_TEST_CASE(a_last_event_waits_for_every_ordinary_event_of_its_instant) {
  EventQueue queue;
  std::vector<int> ran;
  queue.schedule_last(Instant(10ns), [&] {
    ran.push_back(3);
    queue.schedule(queue.now(), [&] { ran.push_back(4); });
  });
  queue.schedule_last(Instant(10ns), [&] { ran.push_back(5); });
  queue.schedule(Instant(10ns), [&] {
    ran.push_back(1);
    queue.schedule(queue.now(), [&] { ran.push_back(2); });
  });
  queue.schedule(Instant(11ns), [&] { ran.push_back(6); });
  queue.run();
  BOOST_TEST((ran == std::vector<int>{1, 2, 3, 4, 5, 6}));
}

BOOST_AUTO_TEST_CASE(a_cancelled_event_does_not_run_and_its_captures_are_freed_at_once) {
  EventQueue queue;
  auto witness = std::make_shared<int>(0);
  const EventId id = queue.schedule(Instant(5ns), [witness] { ++*witness; });
  BOOST_TEST(queue.is_pending(id));
  BOOST_TEST(queue.cancel(id));
  BOOST_TEST(witness.use_count() == 1);
  BOOST_TEST(!queue.cancel(id));
  BOOST_TEST(!queue.is_pending(id));
  BOOST_TEST(queue.empty());
  BOOST_TEST(!queue.next_time().has_value());
  BOOST_TEST(queue.run() == 0u);
  BOOST_TEST(*witness == 0);
}

BOOST_AUTO_TEST_CASE(an_event_cannot_cancel_itself_and_an_old_id_never_hits_a_new_event) {
  EventQueue queue;
  EventId self;
  bool cancelled = true;
  self = queue.schedule(Instant(1ns), [&] { cancelled = queue.cancel(self); });
  queue.run();
  BOOST_TEST(!cancelled);
  bool ran = false;
  const EventId other = queue.schedule(Instant(2ns), [&] { ran = true; });
  BOOST_TEST(other.cell == self.cell);
  BOOST_TEST(!queue.cancel(self));
  queue.run();
  BOOST_TEST(ran);
}

BOOST_AUTO_TEST_CASE(run_until_includes_its_instant_and_moves_the_clock_there) {
  EventQueue queue;
  int ran = 0;
  queue.schedule(Instant(10ns), [&] { ++ran; });
  queue.schedule(Instant(11ns), [&] { ++ran; });
  BOOST_TEST(queue.run_until(Instant(10ns)) == 1u);
  BOOST_TEST(ran == 1);
  BOOST_TEST(queue.run_until(Instant(50ns)) == 1u);
  BOOST_TEST((queue.now() == Instant(50ns)));
}

BOOST_AUTO_TEST_CASE(stop_leaves_the_rest_for_the_next_run) {
  EventQueue queue;
  int ran = 0;
  queue.schedule(Instant(1ns), [&] {
    ++ran;
    queue.stop();
  });
  queue.schedule(Instant(2ns), [&] { ++ran; });
  queue.run_until(Instant(9ns));
  BOOST_TEST(ran == 1);
  BOOST_TEST((queue.now() == Instant(1ns)));
  queue.run_until(Instant(9ns));
  BOOST_TEST(ran == 2);
}

// A model that cannot be wrong: the least (time, sequence) of a plain list.
BOOST_AUTO_TEST_CASE(random_schedules_and_cancels_run_as_in_a_sorted_list) {
  struct Model {
    int64_t at;
    int number;
    EventId id;
  };
  EventQueue queue;
  std::vector<Model> model;
  std::vector<int> ran;
  uint32_t x = 2463534242;
  const auto draw = [&](uint32_t n) {
    x = x * 1664525 + 1013904223;
    return (x >> 8) % n;
  };
  int number = 0;
  for (int step = 0; step < 20000; ++step) {
    const uint32_t what = draw(10);
    if (what < 6) {
      const int64_t at = nanoseconds(queue.now()) + draw(50);
      const int mine = number++;
      const EventId id =
          queue.schedule(instant_from_nanoseconds(at), [&ran, mine] { ran.push_back(mine); });
      model.push_back({at, mine, id});
    } else if (what < 8 && !model.empty()) {
      const size_t victim = draw(static_cast<uint32_t>(model.size()));
      BOOST_REQUIRE(queue.cancel(model[victim].id));
      model.erase(model.begin() + static_cast<std::ptrdiff_t>(victim));
    } else if (!model.empty()) {
      auto least = model.begin();
      for (auto it = model.begin(); it != model.end(); ++it) {
        if (it->at < least->at || (it->at == least->at && it->number < least->number)) least = it;
      }
      BOOST_REQUIRE(queue.run_one());
      BOOST_REQUIRE(ran.back() == least->number);
      model.erase(least);
    }
    BOOST_REQUIRE(queue.size() == model.size());
  }
}

BOOST_AUTO_TEST_CASE(captures_left_in_the_queue_are_freed_with_it) {
  auto witness = std::make_shared<int>(0);
  {
    EventQueue queue;
    queue.schedule(Instant(5ns), [witness] {});
    BOOST_TEST(witness.use_count() == 2);
  }
  BOOST_TEST(witness.use_count() == 1);
}

BOOST_AUTO_TEST_CASE(clear_drops_every_event_and_what_dropping_them_schedules) {
  EventQueue queue;
  int ran = 0;
  struct Reschedules {
    EventQueue* queue;
    int* ran;
    Reschedules(EventQueue* q, int* r) : queue(q), ran(r) {}
    Reschedules(Reschedules&& other) noexcept : queue(other.queue), ran(other.ran) {
      other.queue = nullptr;
    }
    Reschedules(const Reschedules&) = delete;
    Reschedules& operator=(const Reschedules&) = delete;
    ~Reschedules() {
      if (queue != nullptr) queue->schedule_after(1s, [r = ran] { ++*r; });
    }
    void operator()() { ++*ran; }
  };
  queue.schedule_after(1s, Reschedules(&queue, &ran));
  queue.schedule_after(2s, [&] { ++ran; });
  const EventId cancelled = queue.schedule_after(3s, [&] { ++ran; });
  queue.cancel(cancelled);
  queue.clear();
  BOOST_TEST(queue.empty());
  BOOST_TEST(queue.run() == 0u);
  queue.schedule_after(1s, [&] { ++ran; });
  BOOST_TEST(queue.run() == 1u);
  BOOST_TEST(ran == 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
