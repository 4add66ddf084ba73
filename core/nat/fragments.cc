#include "core/nat/fragments.hh"

#include <algorithm>

#include "core/wire/checksum.hh"
#include "core/wire/ethernet.hh"
#include "core/wire/ipv4.hh"
#include "core/wire/ipv6.hh"

namespace dashi {
namespace {

constexpr Duration kTimeoutV4 = 30s;  // RFC 1122 3.3.2 wants a minute at most; systems take half
constexpr Duration kTimeoutV6 = 60s;  // RFC 8200 4.5

DropReason reason_of(const IpAddress& address) {
  return address.is_v4() ? DropReason::kIpv4Fragment : DropReason::kIpv6Fragment;
}

}  // namespace

// One fragment, as its headers tell it.
struct Fragments::Fragment {
  uint32_t id = 0;
  uint8_t protocol = 0;     // IPv4: of the packet
  uint8_t next_header = 0;  // IPv6: of what follows the fragment header
  bool more = false;
  uint32_t offset = 0;  // bytes
  Bytes data;
  Bytes head;  // of the frame: all that stands before the fragmented part

  uint32_t end() const { return offset + static_cast<uint32_t>(data.size()); }
};

Fragments::Fragments(FlowContext& context, IcmpErrors& errors)
    : context_(context), errors_(errors), wholes_(context.limits.reassemblies) {}

// False: no packet of IP has such a fragment.
bool Fragments::read(const Packet& packet, Fragment& out) {
  size_t skipped = 0;
  if (packet.ip_header.source.is_v4()) {
    const auto header = load<Ipv4Header>(packet.ip);
    const uint16_t field = header.fragment;
    out.id = uint16_t{header.identification};
    out.protocol = header.protocol;
    out.more = (field & kIpv4MoreFragments) != 0;
    out.offset = uint32_t{8} * (field & kIpv4OffsetMask);
  } else {
    const auto header = load<Ipv6FragmentHeader>(packet.transport);
    const uint16_t field = header.offset_more;
    out.id = header.identification;
    out.next_header = header.next_header;
    out.more = (field & 1) != 0;
    out.offset = field & 0xfff8u;
    skipped = sizeof header;
  }
  out.data = packet.transport.subspan(skipped);
  out.head =
      packet.frame.first(sizeof(EthernetHeader) + packet.ip.size() - packet.transport.size());
  const size_t ip_bytes = out.head.size() - sizeof(EthernetHeader);
  if (packet.offload.gso_type != GsoType::kNone || packet.offload.csum_partial) return false;
  if (out.data.empty() || out.head.size() > kHeadMax) return false;
  if (out.more && out.data.size() % kUnit != 0) return false;
  return ip_bytes + out.end() <= 65535;
}

Bytes Fragments::handle_packet(Instant now, const Packet& packet) {
  const DropReason reason = reason_of(packet.ip_header.source);
  Fragment fragment;
  if (!read(packet, fragment)) {
    context_.drop(reason, packet.frame);
    return {};
  }
  Whole* const whole = find_or_open(now, packet, fragment);
  if (whole == nullptr) {
    context_.drop(DropReason::kFlowLimit, packet.frame);
    return {};
  }
  const size_t units = (fragment.data.size() + kUnit - 1) / kUnit;
  const size_t held = units_held(*whole, fragment);
  if (held != 0 || contradicts(*whole, fragment)) {
    // The same once more changes nothing (RFC 8200 4.5 lets it be ignored).
    if (held != units) discard(now, *whole, false);
    context_.drop(reason, packet.frame);
    return {};
  }
  take(*whole, packet, fragment);
  if (whole->head_bytes == 0 || whole->received != whole->total) return {};
  whole->given = true;
  whole->deadline = kNever;
  ++given_;
  return finish(*whole);
}

Fragments::Whole* Fragments::find_or_open(Instant now, const Packet& packet,
                                          const Fragment& fragment) {
  const IpHeader& ip = packet.ip_header;
  Whole* oldest = nullptr;
  Whole* free = nullptr;
  for (Whole& whole : wholes_) {
    if (whole.given) continue;
    if (!whole.used()) {
      if (free == nullptr) free = &whole;
      continue;
    }
    if (whole.id == fragment.id && whole.protocol == fragment.protocol &&
        whole.source == ip.source && whole.destination == ip.destination) {
      return &whole;
    }
    if (oldest == nullptr || whole.order < oldest->order) oldest = &whole;
  }
  if (free == nullptr && oldest != nullptr) {
    discard(now, *oldest, true);
    free = oldest;
  }
  if (free == nullptr) return nullptr;  // there are none at all
  if (free->bytes == nullptr) free->bytes = std::make_unique<uint8_t[]>(kHeadMax + kPayloadMax);
  free->source = ip.source;
  free->destination = ip.destination;
  free->id = fragment.id;
  free->protocol = fragment.protocol;
  free->deadline = now + (ip.source.is_v4() ? kTimeoutV4 : kTimeoutV6);
  free->order = opened_++;
  ++used_;
  return free;
}

// How many of the fragment's units are there already.
size_t Fragments::units_held(const Whole& whole, const Fragment& fragment) {
  size_t held = 0;
  for (size_t unit = fragment.offset / kUnit; unit * kUnit < fragment.end(); ++unit) {
    held += whole.units[unit / 64] >> (unit % 64) & 1;
  }
  return held;
}

// Whether the fragment and what is there cannot be parts of one packet.
bool Fragments::contradicts(const Whole& whole, const Fragment& fragment) {
  if (fragment.more) return whole.total != 0 && fragment.end() >= whole.total;
  return whole.total != 0 || whole.end > fragment.end();
}

void Fragments::take(Whole& whole, const Packet& packet, const Fragment& fragment) {
  uint8_t* const payload = whole.bytes.get() + kHeadMax;
  std::copy(fragment.data.begin(), fragment.data.end(), payload + fragment.offset);
  for (size_t unit = fragment.offset / kUnit; unit * kUnit < fragment.end(); ++unit) {
    whole.units[unit / 64] |= uint64_t{1} << (unit % 64);
  }
  ++whole.fragments;
  whole.received += static_cast<uint32_t>(fragment.data.size());
  whole.end = std::max(whole.end, fragment.end());
  if (!fragment.more) whole.total = fragment.end();
  if (fragment.offset != 0) return;
  // The first fragment's headers are the packet's (RFC 791 3.2, RFC 8200 4.5).
  whole.head_bytes = static_cast<uint32_t>(fragment.head.size());
  whole.first_bytes = static_cast<uint32_t>(fragment.data.size());
  uint8_t* const head = payload - whole.head_bytes;
  std::copy(fragment.head.begin(), fragment.head.end(), head);
  if (packet.ip_header.source.is_v6()) {
    head[sizeof(EthernetHeader) + packet.ip_header.next_header_offset] = fragment.next_header;
  }
}

// Mends the headers; gives the frame.
Bytes Fragments::finish(Whole& whole) {
  const size_t size = whole.head_bytes + whole.total;
  const MutableBytes frame(whole.bytes.get() + kHeadMax - whole.head_bytes, size);
  const MutableBytes ip = frame.subspan(sizeof(EthernetHeader));
  if (whole.source.is_v6()) {
    auto header = load<Ipv6Header>(ip);
    header.payload_length = static_cast<uint16_t>(ip.size() - sizeof header);
    store(ip, header);
    return frame;
  }
  auto header = load<Ipv4Header>(ip);
  header.total_length = static_cast<uint16_t>(ip.size());
  header.fragment = uint16_t{0};
  header.checksum = uint16_t{0};
  store(ip, header);
  Checksum sum;
  sum.add(Bytes(ip).first(std::min(header.header_bytes(), ip.size())));
  header.checksum = sum.value();
  store(ip, header);
  return frame;
}

void Fragments::clear(Whole& whole) {
  Whole empty;
  empty.bytes = std::move(whole.bytes);
  whole = std::move(empty);
  --used_;
}

// Every fragment taken comes to nothing. Whoever sent the first is told (RFC 792, RFC 4443 3.3).
void Fragments::discard(Instant now, Whole& whole, bool tell) {
  for (uint32_t i = 0; i < whole.fragments; ++i) context_.drop(reason_of(whole.source), {});
  if (tell && whole.head_bytes != 0) {
    const size_t before = kHeadMax - whole.head_bytes + sizeof(EthernetHeader);
    const Bytes quoted(whole.bytes.get() + before, kHeadMax - before + whole.first_bytes);
    const bool v4 = whole.source.is_v4();
    errors_.relay_raw(now, v4 ? 11 : 3, 1, 0, {}, whole.source, quoted);
  }
  clear(whole);
}

void Fragments::finish_batch() {
  if (given_ == 0) return;
  for (Whole& whole : wholes_) {
    if (whole.given) clear(whole);
  }
  given_ = 0;
}

void Fragments::handle_timers(Instant now) {
  if (used_ == 0) return;
  for (Whole& whole : wholes_) {
    if (whole.used() && whole.deadline <= now) discard(now, whole, true);
  }
}

Instant Fragments::next_deadline() const {
  Instant next = kNever;
  if (used_ == 0) return next;
  for (const Whole& whole : wholes_) next = std::min(next, whole.deadline);
  return next;
}

void Fragments::restart_link() {
  for (Whole& whole : wholes_) {
    if (whole.used()) clear(whole);
  }
}

template <typename Archive>
void Fragments::archive_all(Archive& ar) {
  auto count = static_cast<uint32_t>(wholes_.size());
  ar(count, opened_);
  if constexpr (Archive::kReading) {
    if (count != wholes_.size()) return ar.fail();  // of another configuration
  }
  for (uint32_t i = 0; i < count && ar.ok(); ++i) {
    Whole& w = wholes_[i];
    ar(w.deadline);
    if (!w.used()) continue;
    ar(w.source, w.destination, w.id, w.protocol, w.fragments, w.head_bytes, w.first_bytes);
    ar(w.received, w.end, w.total, w.units, w.order);
    if constexpr (Archive::kReading) {
      const bool head_fits = w.head_bytes == 0 ||
                             (w.head_bytes >= 54 && w.head_bytes <= kHeadMax) ||
                             (w.source.is_v4() && w.head_bytes >= 34 && w.head_bytes <= kHeadMax);
      const uint32_t most = std::max({w.first_bytes, w.received, w.end, w.total, w.fragments});
      if (!ar.ok() || !head_fits || most > 65535 || w.source.family() != w.destination.family()) {
        return ar.fail();
      }
      w.bytes = std::make_unique<uint8_t[]>(kHeadMax + kPayloadMax);
      ++used_;
    }
    ar.bytes(MutableBytes(w.bytes.get() + kHeadMax - w.head_bytes, w.head_bytes));
    for (size_t unit = 0; unit < kPayloadMax / kUnit; ++unit) {
      if ((w.units[unit / 64] >> (unit % 64) & 1) == 0) continue;
      const size_t at = unit * kUnit;
      const size_t left = w.total > at ? w.total - at : kUnit;  // the last one may be in part
      ar.bytes(MutableBytes(w.bytes.get() + kHeadMax + at, std::min(kUnit, left)));
    }
  }
}

void Fragments::save(ArchiveWriter& ar) const {
  const_cast<Fragments*>(this)->archive_all(ar);  // a writer changes nothing
}

bool Fragments::restore(ArchiveReader& ar) {
  archive_all(ar);
  return ar.ok();
}

}  // namespace dashi
