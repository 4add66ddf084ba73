// A GuestLink that shows every frame it carries to a Recorder, on the interface of the guest's seam.
// It decorates another link, which does the work; frames from the guest are told by the driver.
#pragma once

#include <vector>

#include "core/env/guest_link.hh"
#include "pcap/write/recorder.hh"

namespace dashi {

class CapturedLink : public GuestLink {
 public:
  CapturedLink(GuestLink& inner, Recorder& recorder, uint32_t interface)
      : inner_(inner), recorder_(recorder), interface_(interface) {}

  void from_guest(std::span<const GuestFrame> frames);

  LinkLimits limits() const override { return inner_.limits(); }
  std::span<const FrameSlot> reserve(size_t frames, size_t bytes_each) override;
  void commit(std::span<const Filled> filled) override;
  void flush() override { inner_.flush(); }

 private:
  GuestLink& inner_;
  Recorder& recorder_;
  uint32_t interface_;
  std::span<const FrameSlot> reserved_;  // the inner link's, good until commit
  std::vector<Bytes> pieces_;            // scratch of commit
};

}  // namespace dashi
