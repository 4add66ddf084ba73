#include "pcap/write/capture.hh"

namespace dashi {

void CapturedTrace::record(const TraceEvent& event) {
  inner_.record(event);
  if (event.kind == TraceEvent::Kind::kDrop) {
    const auto reason = static_cast<DropReason>(event.code);
    recorder_.comment_on(event.bytes.data(), "dropped: " + std::string(name_of(reason)));
  }
}

Capture::Capture(PcapngWriter& writer, const Env& inner)
    : inner_(inner),
      recorder_(writer),
      link_(inner.guest_link, recorder_,
            writer.add_interface("guest", "the guest's link: frames as they are")),
      sockets_(inner.sockets, recorder_,
               writer.add_interface("host", "the host's sockets: calls drawn as packets")),
      trace_(inner.trace, recorder_) {}

}  // namespace dashi
