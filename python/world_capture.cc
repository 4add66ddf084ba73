#include "python/world_capture.hh"

#include "core/wire/ethernet.hh"
#include "core/wire/packet.hh"
#include "pcap/capture_hooks.hh"
#include "python/engine.hh"

namespace dashi::python {
namespace {

std::unique_ptr<FileSink> open_file(const std::string& path) {
  auto sink = FileSink::create(path);
  if (!sink.ok()) throw WorldError(sink.error());
  return std::move(*sink);
}

}  // namespace

WorldCapture::WorldCapture(const std::string& path, uint64_t seed)
    : sink_(open_file(path)),
      writer_(*sink_, {"dashi " DASHI_VERSION, "seed " + std::to_string(seed), 0}) {}

Env WorldCapture::wrap(const Env& env) {
  capture_.emplace(writer_, env);
  return capture_->env();
}

DriverHooks WorldCapture::hooks() { return hooks_for(capture_); }

void WorldCapture::add_wan_packet(Instant at, bool inward, Bytes packet) {
  if (packet.empty()) return;
  if (!wan_.has_value()) wan_ = writer_.add_interface("wan", "the simulated internet's first link");
  if (capture_.has_value()) capture_->flush();  // keeps the file in the order of time
  EthernetHeader ethernet;
  ethernet.destination = {{0x02, 0xda, 0x51, 0x01, 0, static_cast<uint8_t>(inward ? 1 : 2)}};
  ethernet.source = {{0x02, 0xda, 0x51, 0x01, 0, static_cast<uint8_t>(inward ? 2 : 1)}};
  const bool v6 = packet[0] >> 4 == 6;
  ethernet.type = static_cast<uint16_t>(v6 ? EtherType::kIpv6 : EtherType::kIpv4);
  std::array<uint8_t, sizeof(EthernetHeader)> header{};
  store(header, ethernet);
  const Bytes pieces[] = {header, packet};
  writer_.write({.interface = *wan_,
                 .at = at,
                 .pieces = pieces,
                 .direction = inward ? PacketDirection::kInbound : PacketDirection::kOutbound,
                 .comment = {}});
}

void WorldCapture::flush() {
  if (capture_.has_value()) capture_->flush();
  sink_->flush();
  if (!sink_->error().empty()) throw WorldError(sink_->error());
}

}  // namespace dashi::python
