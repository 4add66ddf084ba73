// Socket events on their way from ns-3's callbacks to the driver, which takes them when it turns.
// Sockets push, the driver is woken once and takes all; nobody calls the Nat from here.
#pragma once

#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "core/env/sockets.hh"

namespace dashi {

class SocketEvents {
 public:
  explicit SocketEvents(std::function<void()> wake) : wake_(std::move(wake)) {}
  void set_wake(std::function<void()> wake) { wake_ = std::move(wake); }

  void push(const SocketEvent& event) {
    events_.push_back(event);
    if (events_.size() == 1 && wake_) wake_();
  }
  void push(FlowId id, SocketEvent::Kind kind) { push({id, kind, {}}); }
  void push(FlowId id, SocketEvent::Kind kind, const NetError& error) { push({id, kind, error}); }

  bool empty() const { return events_.empty(); }
  // Appends up to `most` events, in the order in which they came.
  void take(std::vector<SocketEvent>& into, size_t most) {
    for (; most > 0 && !events_.empty(); --most) {
      into.push_back(events_.front());
      events_.pop_front();
    }
    ++turn_;
  }
  // Counts takes: an edge that was pushed in this turn already need not be pushed again.
  uint64_t turn() const { return turn_; }

 private:
  std::function<void()> wake_;
  std::deque<SocketEvent> events_;
  uint64_t turn_ = 1;
};

}  // namespace dashi
