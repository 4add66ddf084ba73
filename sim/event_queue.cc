#include "sim/event_queue.hh"

#include <algorithm>

namespace dashi {

EventQueue::~EventQueue() { clear(); }

void EventQueue::clear() {
  while (!heap_.empty()) {
    std::vector<Entry> dropped;
    dropped.swap(heap_);
    live_ = 0;
    cancelled_ = 0;
    for (const Entry& entry : dropped) {
      Cell& cell = cell_at(entry.cell());
      if (cell.state == CellState::kPending && cell.destroy != nullptr) cell.destroy(cell.storage);
      release_cell(entry.cell());
    }
  }
}

uint32_t EventQueue::take_cell(Instant at) {
  DASHI_CHECK(at >= now_);
  DASHI_CHECK(next_sequence_ < uint64_t{1} << (63 - kCellBits));
  if (free_head_ == kNone) {
    const auto first = static_cast<uint32_t>(chunks_.size()) * kChunkCells;
    DASHI_CHECK(first + kChunkCells - 1 <= kCellMask);
    chunks_.push_back(std::make_unique<Cell[]>(kChunkCells));
    for (uint32_t i = kChunkCells; i > 0; --i) {
      cell_at(first + i - 1).next_free = free_head_;
      free_head_ = first + i - 1;
    }
  }
  const uint32_t index = free_head_;
  Cell& cell = cell_at(index);
  free_head_ = cell.next_free;
  cell.state = CellState::kPending;
  ++live_;
  return index;
}

void EventQueue::release_cell(uint32_t index) {
  Cell& cell = cell_at(index);
  cell.state = CellState::kFree;
  ++cell.generation;
  cell.next_free = free_head_;
  free_head_ = index;
}

void EventQueue::push_entry(const Entry& entry) {
  size_t i = heap_.size();
  heap_.push_back(entry);
  while (i > 0) {
    const size_t parent = (i - 1) / 4;
    if (!entry.before(heap_[parent])) break;
    heap_[i] = heap_[parent];
    i = parent;
  }
  heap_[i] = entry;
}

void EventQueue::sift_down(size_t hole, const Entry& entry) {
  const size_t size = heap_.size();
  for (;;) {
    const size_t first = hole * 4 + 1;
    if (first >= size) break;
    const size_t end = std::min(first + 4, size);
    size_t least = first;
    for (size_t child = first + 1; child < end; ++child) {
      if (heap_[child].before(heap_[least])) least = child;
    }
    if (!heap_[least].before(entry)) break;
    heap_[hole] = heap_[least];
    hole = least;
  }
  heap_[hole] = entry;
}

void EventQueue::pop_entry() {
  const Entry last = heap_.back();
  heap_.pop_back();
  if (!heap_.empty()) sift_down(0, last);
}

bool EventQueue::is_pending(EventId id) const {
  if (id.cell / kChunkCells >= chunks_.size()) return false;
  const Cell& cell = cell_at(id.cell);
  return cell.generation == id.generation && cell.state == CellState::kPending;
}

bool EventQueue::cancel(EventId id) {
  if (!is_pending(id)) return false;
  Cell& cell = cell_at(id.cell);
  cell.state = CellState::kCancelled;
  --live_;
  ++cancelled_;
  // Last, and through a copy: the callback's destructor may schedule or cancel.
  if (cell.destroy != nullptr) cell.destroy(cell.storage);
  if (cancelled_ > 64 && cancelled_ > live_) sweep_cancelled();
  return true;
}

void EventQueue::sweep_cancelled() {
  size_t kept = 0;
  for (const Entry& entry : heap_) {
    if (cell_at(entry.cell()).state == CellState::kCancelled) {
      release_cell(entry.cell());
    } else {
      heap_[kept++] = entry;
    }
  }
  heap_.resize(kept);
  cancelled_ = 0;
  // Sorted is a heap too; the order of entries is total, so the layout does not matter.
  std::sort(heap_.begin(), heap_.end(), [](const Entry& a, const Entry& b) { return a.before(b); });
}

void EventQueue::drop_cancelled_front() {
  while (!heap_.empty() && cell_at(heap_.front().cell()).state == CellState::kCancelled) {
    release_cell(heap_.front().cell());
    --cancelled_;
    pop_entry();
  }
}

std::optional<Instant> EventQueue::next_time() {
  if (cancelled_ != 0) drop_cancelled_front();
  if (heap_.empty()) return std::nullopt;
  return instant_from_nanoseconds(heap_.front().at);
}

bool EventQueue::run_one() {
  if (cancelled_ != 0) drop_cancelled_front();
  if (heap_.empty()) return false;
  const Entry entry = heap_.front();
  pop_entry();
  now_ = instant_from_nanoseconds(entry.at);
  // Cells do not move, so the callback may schedule while it runs in its own.
  Cell& cell = cell_at(entry.cell());
  cell.state = CellState::kRunning;
  --live_;
  ++events_run_;
  cell.invoke(cell.storage);
  if (cell.destroy != nullptr) cell.destroy(cell.storage);
  release_cell(entry.cell());
  return true;
}

uint64_t EventQueue::run_until(Instant until) {
  const uint64_t before = events_run_;
  stopped_ = false;
  while (!stopped_) {
    if (cancelled_ != 0) drop_cancelled_front();
    if (heap_.empty() || heap_.front().at > nanoseconds(until)) break;
    run_one();
  }
  if (!stopped_ && now_ < until) now_ = until;
  return events_run_ - before;
}

void EventQueue::run_ordinary_until(Instant until) {
  for (;;) {
    if (cancelled_ != 0) drop_cancelled_front();
    if (heap_.empty() || heap_.front().at > nanoseconds(until)) return;
    if (heap_.front().at == nanoseconds(until) && (heap_.front().order & kLast) != 0) return;
    run_one();
  }
}

uint64_t EventQueue::run() {
  const uint64_t before = events_run_;
  stopped_ = false;
  while (!stopped_ && run_one()) {
  }
  return events_run_ - before;
}

}  // namespace dashi
