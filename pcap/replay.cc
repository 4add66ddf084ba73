#include "pcap/replay.hh"

#include <algorithm>

#include "core/wire/ethernet.hh"
#include "pcap/read/capture_reader.hh"

namespace dashi {
namespace {

constexpr Duration kLongest = 24h * 365 * 10;  // what virtual time has room for many times over
constexpr size_t kFrameMin = sizeof(EthernetHeader);

// Whether the frame is the guest's; the first that may be says who the guest is.
bool from_guest(Bytes frame, const ReplaySpec& spec, std::optional<MacAddress>& guest) {
  if (frame.size() < kFrameMin) return false;
  const MacAddress source = load<EthernetHeader>(frame).source;
  if (!guest.has_value() && source != spec.gateway && !source.is_multicast()) guest = source;
  return guest == source;
}

}  // namespace

Result<Replay, std::string> load_replay(const std::string& path, const ReplaySpec& spec) {
  auto opened = CaptureReader::open(path);
  if (!opened.ok()) return opened.error();
  CaptureReader& reader = **opened;
  Replay replay;
  replay.guest = spec.guest;
  replay.trust_checksums = spec.trust_checksums;
  std::optional<int64_t> first_ns;
  Duration latest{};
  while (true) {
    const auto packet = reader.next();
    if (!packet.ok()) return packet.error();
    if (!packet->has_value()) return replay;
    const ReadPacket& p = **packet;
    if (!first_ns.has_value()) first_ns = p.unix_ns;
    if (!from_guest(p.frame, spec, replay.guest)) {
      ++replay.others;
      continue;
    }
    if (p.frame.size() < p.original_bytes) {
      ++replay.cut;
      continue;
    }
    const bool too_late = *first_ns < 0 ? p.unix_ns > *first_ns + kLongest.count()
                                        : p.unix_ns - kLongest.count() > *first_ns;
    if (too_late) {
      return path + ": packet " + std::to_string(p.number) +
             ": comes more than ten years after the first";
    }
    // Captures of several interfaces may be out of order by a little.
    if (p.unix_ns > *first_ns) latest = std::max(latest, Duration(p.unix_ns - *first_ns));
    replay.frames.push_back({p.number, latest, {p.frame.begin(), p.frame.end()}});
  }
}

void schedule_replay(const Replay& replay, Instant start, EventQueue& queue, SimLink& link) {
  for (const ReplayFrame& frame : replay.frames) {
    queue.schedule(start + frame.after, [&frame, &link, trusted = replay.trust_checksums] {
      GuestFrame out;
      out.bytes = frame.bytes;
      out.offload.csum_trusted = trusted;
      link.send(out);
    });
  }
}

}  // namespace dashi
