#include "sim/script/mishaps.hh"

#include <algorithm>

#include "sim/guest_bytes.hh"
#include "sim/guest_wire.hh"

namespace dashi::script {
namespace {

constexpr size_t kIpv4Header = 20;
constexpr size_t kIpv6Header = 40;
constexpr uint32_t kFragmentId = 0x0bad;
constexpr uint8_t kFragmentHeader = 44;

void set16(std::vector<uint8_t>& in, size_t at, size_t value) {
  in[at] = static_cast<uint8_t>(value >> 8);
  in[at + 1] = static_cast<uint8_t>(value);
}

std::vector<uint8_t> fragment4(Bytes frame, Bytes part, size_t offset, bool more) {
  std::vector<uint8_t> out(frame.begin(), frame.begin() + guest::kEthernetHeader + kIpv4Header);
  set16(out, guest::kEthernetHeader + 2, kIpv4Header + part.size());
  set16(out, guest::kEthernetHeader + 4, kFragmentId);
  set16(out, guest::kEthernetHeader + 6, offset / 8 | (more ? 0x2000u : 0));
  set16(out, guest::kEthernetHeader + 10, 0);
  const Bytes header = Bytes(out).subspan(guest::kEthernetHeader);
  set16(out, guest::kEthernetHeader + 10, guest::finish_sum(guest::sum_words(header, 0)));
  out.insert(out.end(), part.begin(), part.end());
  return out;
}

std::vector<uint8_t> fragment6(Bytes frame, Bytes part, size_t offset, bool more) {
  std::vector<uint8_t> out(frame.begin(), frame.begin() + guest::kEthernetHeader + kIpv6Header);
  set16(out, guest::kEthernetHeader + 4, 8 + part.size());
  const uint8_t next = out[guest::kEthernetHeader + 6];
  out[guest::kEthernetHeader + 6] = kFragmentHeader;
  out.insert(out.end(), {next, 0});
  guest::put16(out, static_cast<uint16_t>(offset | (more ? 1u : 0)));
  guest::put32(out, kFragmentId);
  out.insert(out.end(), part.begin(), part.end());
  return out;
}

// RFC 791 3.2, RFC 8200 4.5: parts of `each` bytes, which are eights of them.
std::vector<std::vector<uint8_t>> fragments(Bytes frame, size_t each) {
  const bool whole = frame.size() >= guest::kEthernetHeader + kIpv6Header;
  const bool v4 = whole && frame[guest::kEthernetHeader] >> 4 == 4;
  if (!whole || (!v4 && frame[guest::kEthernetHeader] >> 4 != 6))
    return {{frame.begin(), frame.end()}};
  const Bytes payload = frame.subspan(guest::kEthernetHeader + (v4 ? kIpv4Header : kIpv6Header));
  each = std::max<size_t>(8, each / 8 * 8);
  std::vector<std::vector<uint8_t>> parts;
  for (size_t at = 0; at < payload.size(); at += each) {
    const Bytes part = payload.subspan(at, std::min(each, payload.size() - at));
    const bool more = at + part.size() < payload.size();
    parts.push_back(v4 ? fragment4(frame, part, at, more) : fragment6(frame, part, at, more));
  }
  return parts;
}

void corrupt(std::vector<uint8_t>& frame, size_t at) {
  if (frame.empty()) return;
  if (at == 1 || at >= frame.size()) at = frame.size() - 1;
  frame[at] ^= 1;
}

}  // namespace

std::vector<SentFrame> suffer(std::vector<uint8_t> frame, const std::vector<Mishap>& mishaps) {
  using Kind = Mishap::Kind;
  Duration after{};
  size_t copies = 1;
  size_t fragment = 0;
  bool cut = false;  // and its headers may be gone
  Offload offload;
  for (const Mishap& mishap : mishaps) {
    if (mishap.kind == Kind::kDrop) copies = 0;
    if (mishap.kind == Kind::kDuplicate) copies += mishap.bytes;
    if (mishap.kind == Kind::kDelay) after = mishap.delay;
    if (mishap.kind == Kind::kCorrupt) corrupt(frame, mishap.bytes);
    if (mishap.kind == Kind::kFragment) fragment = mishap.bytes;
    if (mishap.kind == Kind::kCut) frame.resize(std::min<size_t>(frame.size(), mishap.bytes));
    cut = cut || mishap.kind == Kind::kCut;
    if (mishap.kind == Kind::kPad) frame.resize(frame.size() + mishap.bytes, 0xee);
    if (mishap.kind == Kind::kSegment && !cut) {
      offload = guest::leave_checksum(frame, static_cast<uint16_t>(mishap.bytes));
    }
  }
  std::vector<SentFrame> sent;
  for (; copies > 0; --copies) {
    if (fragment == 0) {
      sent.push_back({after, frame, offload});
      continue;
    }
    for (std::vector<uint8_t>& part : fragments(frame, fragment)) {
      sent.push_back({after, std::move(part), {}});
    }
  }
  return sent;
}

}  // namespace dashi::script
