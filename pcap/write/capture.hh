// Both seams of one Nat as a capture: an Env that decorates the driver's own. The interface "guest"
// carries the guest's frames as they are, "host" the socket calls drawn as synthetic packets.
//
//   FileSink, PcapngWriter -> Capture(writer, env) -> Nat(config, capture.env())
//
// The driver says what crosses inward just before it tells the Nat:
//
//   capture.advance(now);                 // once a turn
//   capture.from_guest(frames);           // then nat.handle_frames(now, frames)
//   capture.from_host(events);            // then nat.handle_sockets(now, events)
//
// The capture outlives the Nat, and the writer and the decorated Env outlive the capture. It changes
// nothing the Nat could see. Packets reach the sink when the next turn begins, or at flush().
#pragma once

#include "core/env/env.hh"
#include "pcap/write/captured_link.hh"
#include "pcap/write/captured_sockets.hh"
#include "pcap/write/recorder.hh"

namespace dashi {

// Passes the core's trace on, and writes it into the comments: why a frame was dropped, what a flow
// became.
class CapturedTrace : public Trace {
 public:
  CapturedTrace(Trace& inner, Recorder& recorder) : inner_(inner), recorder_(recorder) {}
  void record(const TraceEvent& event) override;

 private:
  Trace& inner_;
  Recorder& recorder_;
};

class Capture {
 public:
  // Adds the two interfaces to `writer`.
  Capture(PcapngWriter& writer, const Env& inner);
  ~Capture() { flush(); }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  Env env() { return {link_, sockets_, inner_.entropy, trace_}; }

  void advance(Instant now) { recorder_.advance(now); }
  void from_guest(std::span<const GuestFrame> frames) { link_.from_guest(frames); }
  void from_host(std::span<const SocketEvent> events) { sockets_.from_host(events); }
  // A line for the comment of the last packet of this turn: a fault's id, say.
  void remark(const std::string& line) { recorder_.comment_on_last(line); }
  void flush() { recorder_.flush(); }

 private:
  Env inner_;
  Recorder recorder_;
  CapturedLink link_;
  CapturedSockets sockets_;
  CapturedTrace trace_;
};

}  // namespace dashi
