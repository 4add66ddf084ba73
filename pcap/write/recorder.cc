#include "pcap/write/recorder.hh"

#include "core/wire/checksum.hh"

namespace dashi {
namespace {

// Finishes what a virtio-net header left to the device (VIRTIO_NET_HDR_F_NEEDS_CSUM).
void complete_checksum(std::vector<uint8_t>& frame, const Offload& offload) {
  const size_t at = size_t{offload.csum_start} + offload.csum_offset;
  if (!offload.csum_partial || at + sizeof(Be16) > frame.size()) return;
  Checksum sum;
  sum.add(Bytes(frame).subspan(offload.csum_start));
  const uint16_t value = sum.value();
  store(MutableBytes(frame).subspan(at), Be16(value == 0 ? uint16_t{0xffff} : value));
}

void add_line(std::string& comment, const std::string& line) {
  if (!comment.empty()) comment += '\n';
  comment += line;
}

}  // namespace

void Recorder::advance(Instant now) {
  flush();
  now_ = now;
}

void Recorder::flush() {
  for (size_t i = 0; i < count_; ++i) {
    const Bytes frame(held_[i].frame);
    writer_.write({.interface = held_[i].interface,
                   .at = now_,
                   .pieces = {&frame, 1},
                   .direction = held_[i].direction,
                   .comment = held_[i].comment});
  }
  count_ = 0;
}

void Recorder::add(uint32_t interface, PacketDirection direction, std::span<const Bytes> pieces,
                   const Offload& offload, std::string comment) {
  if (count_ == held_.size()) held_.emplace_back();
  Held& held = held_[count_++];
  held.interface = interface;
  held.direction = direction;
  held.frame.clear();
  for (Bytes piece : pieces) held.frame.insert(held.frame.end(), piece.begin(), piece.end());
  held.comment = std::move(comment);
  held.identity = pieces.empty() ? nullptr : pieces.front().data();
  complete_checksum(held.frame, offload);
}

void Recorder::comment_on(const uint8_t* identity, const std::string& line) {
  for (size_t i = count_; i-- > 0;) {
    if (held_[i].identity == identity) return add_line(held_[i].comment, line);
  }
}

void Recorder::comment_on_last(const std::string& line) {
  if (count_ > 0) add_line(held_[count_ - 1].comment, line);
}

}  // namespace dashi
