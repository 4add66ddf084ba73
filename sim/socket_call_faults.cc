#include "sim/socket_call_faults.hh"

namespace dashi {

const char* name_of(SocketCall call) {
  static constexpr const char* kNames[] = {
      "connect", "listen",         "open-datagram", "open-echo", "accept", "peek",   "consume",
      "write",   "shutdown-write", "abort",         "close",     "send",   "receive"};
  return kNames[static_cast<size_t>(call)];
}

void SocketCallFaults::apply(const FaultDecision& decision, CallFate& fate) {
  const uint64_t argument = decision.argument;
  switch (decision.kind) {
    case Kind::kShortWrite:
      fate.short_write = static_cast<size_t>(argument);
      break;
    case Kind::kWouldBlock:
      fate.would_block = Duration(static_cast<int64_t>(argument));
      break;
    case Kind::kReset:
      fate.reset = true;
      break;
    case Kind::kConnectLate:
      fate.connect_late = Duration(static_cast<int64_t>(argument));
      break;
    case Kind::kConnectFails:
      fate.connect_fails = static_cast<SocketError>(argument);
      break;
    case Kind::kTooManySockets:
      fate.too_many_sockets = true;
      break;
    case Kind::kNoBuffers:
      fate.no_buffers = true;
      break;
    default:
      break;  // a frame's decision is no call's
  }
}

void SocketCallFaults::decide(Kind kind, uint64_t argument) {
  const FaultDecision decision{kStream, kind, ordinal_, argument};
  apply(decision, fate_);
  if (plan_ != nullptr) plan_->note(decision);
}

void SocketCallFaults::draw(SocketCall call, size_t bytes) {
  const bool opens = call == SocketCall::kConnect || call == SocketCall::kOpenDatagram ||
                     call == SocketCall::kOpenEcho || call == SocketCall::kAccept;
  const bool moves = call == SocketCall::kPeek || call == SocketCall::kWrite;
  if (opens && happens(spec_.too_many_sockets)) decide(Kind::kTooManySockets, 0);
  if ((call == SocketCall::kConnect || call == SocketCall::kSend) && happens(spec_.no_buffers)) {
    decide(Kind::kNoBuffers, 0);
  }
  if (call == SocketCall::kConnect && happens(spec_.connect_late)) {
    const Duration late = prng_.duration(spec_.connect_late_by);
    decide(Kind::kConnectLate, static_cast<uint64_t>(late.count()));
  }
  if (call == SocketCall::kConnect && happens(spec_.connect_fails)) {
    decide(Kind::kConnectFails, static_cast<uint64_t>(spec_.connect_error));
  }
  if (moves && happens(spec_.reset)) decide(Kind::kReset, 0);
  const bool may_block = moves || call == SocketCall::kSend || call == SocketCall::kReceive ||
                         call == SocketCall::kAccept;
  if (may_block && happens(spec_.would_block)) {
    const Duration until = prng_.duration(spec_.would_block_for);
    decide(Kind::kWouldBlock, static_cast<uint64_t>(until.count()));
  }
  if (call == SocketCall::kWrite && bytes > 1 && happens(spec_.short_write)) {
    decide(Kind::kShortWrite, prng_.between(1, bytes - 1));
  }
}

CallFate SocketCallFaults::next(SocketCall call, size_t bytes) {
  fate_ = CallFate{};
  if (plan_ != nullptr && plan_->replays()) {
    for (const FaultDecision& decision : plan_->given_for(kStream, ordinal_)) {
      apply(decision, fate_);
      if (watcher_) watcher_(call, decision);
    }
  } else {
    draw(call, bytes);
  }
  for (auto at = forced_.begin(); at != forced_.end(); ++at) {
    if (at->first != call) continue;
    decide(at->second.kind, at->second.argument);
    forced_.erase(at);
    break;
  }
  ++ordinal_;
  return fate_;
}

}  // namespace dashi
