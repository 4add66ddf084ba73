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

std::string time_of(uint64_t nanoseconds) {
  const uint64_t us = (nanoseconds + 999) / 1000;
  return us % 1000 == 0 ? std::to_string(us / 1000) + "ms" : std::to_string(us) + "us";
}

std::string how(const FaultDecision& decision) {
  switch (decision.kind) {
    case Kind::kReset:
      return "ECONNRESET";
    case Kind::kTooManySockets:
      return "EMFILE";
    case Kind::kNoBuffers:
      return "ENOBUFS";
    case Kind::kWouldBlock:
      return "EAGAIN " + time_of(decision.argument);
    case Kind::kConnectLate:
      return "late " + time_of(decision.argument);
    case Kind::kShortWrite:
      return "short " + std::to_string(decision.argument);
    case Kind::kConnectFails:
      for (const ErrorName& name : kConnectErrors) {
        if (static_cast<SocketError>(decision.argument) == name.error) return name.name;
      }
      return "";
    default:
      return "";
  }
}

}  // namespace

std::string words_of(SocketCall call, const FaultDecision& decision) {
  const bool may_be_short = call == SocketCall::kWrite;
  if (decision.kind == Kind::kShortWrite && !may_be_short) return "";
  const std::string words = how(decision);
  for (const CallName& name : kCalls) {
    if (call == name.call && !words.empty()) return std::string(name.name) + " " + words;
  }
  return "";
}

Result<CallFault, std::string> fault_of(const std::vector<std::string>& words) {
  if (words.size() < 2) return std::string("fail needs a call and how it fails");
  for (const CallName& name : kCalls) {
    if (words[0] != name.name) continue;
    const std::optional<FaultDecision> decision = decision_of(name.call, words);
    if (!decision) return words[0] + " cannot fail so: " + words[1];
    return CallFault{name.call, *decision};
  }
  return "no such call to fail: " + words[0];
}

}  // namespace dashi::script
