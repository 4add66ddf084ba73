// A guest link that records what is committed. Room is a number of frames; segments may be made small,
// so that a writer which trusts one contiguous buffer is found out.
#pragma once

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <deque>
#include <vector>

#include "core/env/guest_link.hh"
#include "core/wire/packet.hh"

namespace dashi::test {

struct SentFrame {
  std::vector<uint8_t> bytes;
  Offload offload;

  // The frame parsed; a frame of ours that does not parse fails the test.
  Packet packet() const {
    Packet out;
    const auto result = parse(bytes, offload, 65535, out);
    BOOST_REQUIRE_MESSAGE(result.ok(), "a frame to the guest does not parse: "
                                           << (result.ok() ? "" : name_of(result.error())));
    return out;
  }
};

class FakeLink final : public GuestLink {
 public:
  LinkLimits link_limits;
  std::deque<SentFrame> frames;    // everything committed, oldest first
  size_t room = ~size_t{0};        // frames that may still be reserved and committed
  size_t rest_bytes = ~size_t{0};  // size of each further segment after the head of 128 bytes
  size_t flushes = 0;
  size_t reservations_refused = 0;  // reserve() calls that gave fewer than asked for

  LinkLimits limits() const override { return link_limits; }

  std::span<const FrameSlot> reserve(size_t count, size_t bytes_each) override {
    const size_t given = std::min(count, room);
    if (given < count) ++reservations_refused;
    slots_.clear();
    buffers_.assign(given, std::vector<uint8_t>(bytes_each, 0xcc));
    segments_.assign(given, {});
    for (size_t i = 0; i < given; ++i) {
      MutableBytes all(buffers_[i]);
      FrameSlot slot;
      slot.head = all;
      if (rest_bytes != ~size_t{0}) {
        slot.head = all.first(std::min<size_t>(128, all.size()));
        for (all = all.subspan(slot.head.size()); !all.empty();) {
          const size_t n = std::min(rest_bytes, all.size());
          segments_[i].push_back(all.first(n));
          all = all.subspan(n);
        }
        slot.rest = segments_[i];
      }
      slots_.push_back(slot);
    }
    return slots_;
  }

  void commit(std::span<const Filled> filled) override {
    BOOST_REQUIRE(filled.size() <= slots_.size());
    for (size_t i = 0; i < filled.size(); ++i) {
      BOOST_REQUIRE(filled[i].bytes <= buffers_[i].size());
      SentFrame frame;
      frame.bytes.assign(buffers_[i].begin(),
                         buffers_[i].begin() + static_cast<ptrdiff_t>(filled[i].bytes));
      frame.offload = filled[i].offload;
      frames.push_back(frame);
    }
    if (room != ~size_t{0}) room -= filled.size();
    slots_.clear();
  }

  void flush() override { ++flushes; }

  // Takes out the oldest frame; there must be one.
  SentFrame take() {
    BOOST_REQUIRE(!frames.empty());
    SentFrame frame = frames.front();
    frames.pop_front();
    return frame;
  }

 private:
  std::vector<FrameSlot> slots_;
  std::vector<std::vector<uint8_t>> buffers_;
  std::vector<std::vector<MutableBytes>> segments_;
};

}  // namespace dashi::test
