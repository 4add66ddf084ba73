// A guest that says exactly what it is told and remembers what it hears: for tests that write their own
// frames. It answers nothing, not even ARP.
#pragma once

#include <functional>
#include <vector>

#include "core/env/guest_link.hh"
#include "sim/event_queue.hh"

namespace dashi {

struct HeardFrame {
  Instant at;
  std::vector<uint8_t> bytes;
  Offload offload;
};

class ScriptedGuest {
 public:
  using Transmit = std::function<void(const GuestFrame&)>;

  ScriptedGuest(EventQueue& queue, Transmit transmit)
      : queue_(queue), transmit_(std::move(transmit)) {}

  void send(Bytes bytes, const Offload& offload) { transmit_(GuestFrame{bytes, offload}); }
  void send_at(Instant at, std::vector<uint8_t> bytes, const Offload& offload) {
    script_.push_back({at, std::move(bytes), offload});
    const size_t line = script_.size() - 1;
    queue_.schedule(at, [this, line] { send(script_[line].bytes, script_[line].offload); });
  }
  void receive(const GuestFrame& frame) {
    heard_.push_back({queue_.now(), {frame.bytes.begin(), frame.bytes.end()}, frame.offload});
  }
  const std::vector<HeardFrame>& heard() const { return heard_; }
  void forget() { heard_.clear(); }

 private:
  EventQueue& queue_;
  Transmit transmit_;
  std::vector<HeardFrame> script_;
  std::vector<HeardFrame> heard_;
};

}  // namespace dashi
