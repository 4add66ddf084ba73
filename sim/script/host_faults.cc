#include "sim/script/host_faults.hh"

#include <array>
#include <charconv>
#include <optional>

namespace dashi::script {
namespace {

using Kind = FaultDecision::Kind;

struct CallName {
  const char* name;
  SocketCall call;
};
constexpr std::array<CallName, 6> kCalls{{{"connect", SocketCall::kConnect},
                                          {"accept", SocketCall::kAccept},
                                          {"read", SocketCall::kPeek},
                                          {"write", SocketCall::kWrite},
                                          {"send", SocketCall::kSend},
                                          {"open", SocketCall::kOpenDatagram}}};

struct ErrorName {
  const char* name;
  SocketError error;
};
constexpr std::array<ErrorName, 6> kConnectErrors{
    {{"ECONNREFUSED", SocketError::kRefused},
     {"EHOSTUNREACH", SocketError::kHostUnreachable},
     {"ENETUNREACH", SocketError::kNetworkUnreachable},
     {"ETIMEDOUT", SocketError::kTimedOut},
     {"EACCES", SocketError::kAccessDenied},
     {"EPERM", SocketError::kAccessDenied}}};

std::optional<uint64_t> number(const std::string& text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "10", "ms": nanoseconds. A number alone is nothing: 10 of what?
std::optional<uint64_t> duration(const std::vector<std::string>& words, size_t at) {
  if (words.size() != at + 2) return std::nullopt;
  const std::optional<uint64_t> value = number(words[at]);
  if (!value || *value > 1'000'000) return std::nullopt;
  if (words[at + 1] == "s") return *value * 1'000'000'000;
  if (words[at + 1] == "ms") return *value * 1'000'000;
  if (words[at + 1] == "us") return *value * 1'000;
  return std::nullopt;
}

// How a call fails: a decision as the swarm would draw it.
std::optional<FaultDecision> decision_of(SocketCall call, const std::vector<std::string>& words) {
  FaultDecision decision{SocketCallFaults::kStream, Kind::kReset, 0, 0};
  const std::string& how = words[1];
  const bool moves = call == SocketCall::kPeek || call == SocketCall::kWrite;
  if (how == "ECONNRESET" && moves && words.size() == 2) return decision;
  decision.kind = Kind::kTooManySockets;
  if (how == "EMFILE" && !moves && words.size() == 2) return decision;
  decision.kind = Kind::kNoBuffers;
  if (how == "ENOBUFS" && !moves && words.size() == 2) return decision;
  decision.kind = Kind::kConnectFails;
  for (const ErrorName& error : kConnectErrors) {
    if (call != SocketCall::kConnect || how != error.name || words.size() != 2) continue;
    decision.argument = static_cast<uint64_t>(error.error);
    return decision;
  }
  std::optional<uint64_t> argument;
  if (how == "EAGAIN") {
    decision.kind = Kind::kWouldBlock;
    argument = duration(words, 2);
  } else if (how == "late" && call == SocketCall::kConnect) {
    decision.kind = Kind::kConnectLate;
    argument = duration(words, 2);
  } else if (how == "short" && call == SocketCall::kWrite && words.size() == 3) {
    decision.kind = Kind::kShortWrite;
    argument = number(words[2]);
  }
  if (!argument) return std::nullopt;
  decision.argument = *argument;
  return decision;
}

}  // namespace

std::string force_fault(SocketCallFaults& faults, const std::vector<std::string>& words) {
  if (words.size() < 2) return "fail needs a call and how it fails";
  for (const CallName& name : kCalls) {
    if (words[0] != name.name) continue;
    const std::optional<FaultDecision> decision = decision_of(name.call, words);
    if (!decision) return words[0] + " cannot fail so: " + words[1];
    faults.force(name.call, *decision);
    return "";
  }
  return "no such call to fail: " + words[0];
}

}  // namespace dashi::script
