// THE event queue: the one order of everything that happens in a simulated world, by (virtual
// nanosecond, phase, sequence). Native links, in-memory hosts, guests, and ns-3 through its custom
// SimulatorImpl all run on one of these. It owns the virtual clock and the callbacks; it knows
// nothing of what they do. It is not a thread-safe queue and not a wall clock.
//
// Events of one instant run in the order in which they were scheduled. An event scheduled with
// schedule_last runs when its instant has no ordinary event left: that is where a driver takes its
// turn with all that came in at that instant. An event may schedule, cancel and stop freely.
//
// Callbacks live inline in slab cells (no allocation an event once the slabs have grown), the order
// in a 4-ary heap of 16-byte entries. A cancelled event leaves its heap entry behind; when half of
// the heap is such entries they are swept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/check.hh"
#include "core/base/time.hh"

namespace dashi {

// Names one scheduled event. The default one names none.
struct EventId {
  uint32_t cell = 0xffffffff;
  uint32_t generation = 0;
  friend bool operator==(const EventId&, const EventId&) = default;
};

class EventQueue {
 public:
  static constexpr size_t kInlineBytes = 48;  // of a callback; a larger one does not compile

  EventQueue() = default;
  ~EventQueue();
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;

  Instant now() const { return now_; }

  // Runs `callback` at `at`, which is not in the past, after all events of that instant scheduled
  // before it.
  template <typename F>
  EventId schedule(Instant at, F&& callback) {
    return push(at, kOrdinary, std::forward<F>(callback));
  }
  template <typename F>
  EventId schedule_after(Duration delay, F&& callback) {
    return push(now_ + delay, kOrdinary, std::forward<F>(callback));
  }
  // Runs `callback` at `at` once no ordinary event of that instant is left.
  template <typename F>
  EventId schedule_last(Instant at, F&& callback) {
    return push(at, kLast, std::forward<F>(callback));
  }

  // Takes the event out, unless it ran, runs now, or was cancelled before: then false.
  bool cancel(EventId id);
  // True from schedule until just before the event runs, or until it is cancelled.
  bool is_pending(EventId id) const;

  // Moves the clock to the earliest event and runs it. False if there is none.
  bool run_one();
  // Runs every event up to and at `until`, then moves the clock there. After stop() the clock stays
  // at the event that stopped. Gives the number of events run.
  uint64_t run_until(Instant until);
  // Runs every event up to and at `until` but those that come last at `until`.
  void run_ordinary_until(Instant until);
  // Runs until nothing is left or stop() is called.
  uint64_t run();
  // Ends run_until or run after the present event.
  void stop() { stopped_ = true; }

  // Drops every event, unrun, and what the dropping of them schedules. Their callbacks' destructors
  // must not cancel.
  void clear();

  // When the next event is due, if there is one.
  std::optional<Instant> next_time();
  bool empty() const { return live_ == 0; }
  size_t size() const { return live_; }
  uint64_t events_run() const { return events_run_; }

 private:
  // An entry is ordered by time, then by phase and sequence in the upper bits of `order`.
  static constexpr unsigned kCellBits = 24;
  static constexpr uint64_t kCellMask = (uint64_t{1} << kCellBits) - 1;
  static constexpr uint64_t kOrdinary = 0;
  static constexpr uint64_t kLast = uint64_t{1} << 63;
  static constexpr uint32_t kChunkCells = 64;
  static constexpr uint32_t kNone = 0xffffffff;

  struct Entry {
    int64_t at;
    uint64_t order;  // phase : 1, sequence : 39, cell : 24
    uint32_t cell() const { return static_cast<uint32_t>(order & kCellMask); }
    bool before(const Entry& other) const {
      return at != other.at ? at < other.at : order < other.order;
    }
  };

  enum class CellState : uint8_t { kFree, kPending, kCancelled, kRunning };

  struct Cell {
    alignas(std::max_align_t) std::byte storage[kInlineBytes];
    void (*invoke)(void*) = nullptr;
    void (*destroy)(void*) = nullptr;  // null for a callback without a destructor
    uint32_t generation = 0;
    uint32_t next_free = kNone;
    CellState state = CellState::kFree;
  };

  template <typename F>
  EventId push(Instant at, uint64_t phase, F&& callback) {
    using Callback = std::decay_t<F>;
    static_assert(sizeof(Callback) <= kInlineBytes, "capture less: an event is at most 48 bytes");
    static_assert(alignof(Callback) <= alignof(std::max_align_t));
    static_assert(std::is_invocable_r_v<void, Callback&>);
    const uint32_t index = take_cell(at);
    Cell& cell = cell_at(index);
    new (cell.storage) Callback(std::forward<F>(callback));
    cell.invoke = [](void* at_storage) { (*static_cast<Callback*>(at_storage))(); };
    cell.destroy = nullptr;
    if constexpr (!std::is_trivially_destructible_v<Callback>) {
      cell.destroy = [](void* at_storage) { static_cast<Callback*>(at_storage)->~Callback(); };
    }
    push_entry(Entry{nanoseconds(at), phase | next_sequence_++ << kCellBits | index});
    return EventId{index, cell.generation};
  }

  Cell& cell_at(uint32_t index) { return chunks_[index / kChunkCells][index % kChunkCells]; }
  const Cell& cell_at(uint32_t index) const {
    return chunks_[index / kChunkCells][index % kChunkCells];
  }
  uint32_t take_cell(Instant at);
  void release_cell(uint32_t index);
  void push_entry(const Entry& entry);
  void pop_entry();
  void sift_down(size_t hole, const Entry& entry);
  void drop_cancelled_front();
  void sweep_cancelled();

  Instant now_{};
  bool stopped_ = false;
  uint64_t next_sequence_ = 0;
  uint64_t events_run_ = 0;
  size_t live_ = 0;       // entries whose cell is kPending
  size_t cancelled_ = 0;  // entries whose cell is kCancelled; live_ + cancelled_ == heap_.size()
  uint32_t free_head_ = kNone;
  std::vector<Entry> heap_;
  std::vector<std::unique_ptr<Cell[]>> chunks_;
};

}  // namespace dashi
