#include "sim/script/constants.hh"

#include "sim/script/socket_options.hh"

namespace dashi::script {
namespace {

struct Constant {
  std::string_view name;
  int64_t value;
};

// EPOLLIN and its like are as POLLIN.
constexpr Constant kConstants[] = {
    {"SHUT_RD", 0},
    {"SHUT_WR", 1},
    {"SHUT_RDWR", 2},
    {"MSG_OOB", 0x1},
    {"MSG_PEEK", 0x2},
    {"MSG_DONTROUTE", 0x4},
    {"MSG_CTRUNC", 0x8},
    {"MSG_PROXY", 0x10},
    {"MSG_TRUNC", 0x20},
    {"MSG_DONTWAIT", 0x40},
    {"MSG_EOR", 0x80},
    {"MSG_WAITALL", 0x100},
    {"MSG_FIN", 0x200},
    {"MSG_SYN", 0x400},
    {"MSG_CONFIRM", 0x800},
    {"MSG_RST", 0x1000},
    {"MSG_ERRQUEUE", 0x2000},
    {"MSG_NOSIGNAL", 0x4000},
    {"MSG_MORE", 0x8000},
    {"MSG_WAITFORONE", 0x10000},
    {"MSG_BATCH", 0x40000},
    {"MSG_ZEROCOPY", 0x4000000},
    {"MSG_FASTOPEN", 0x20000000},
    {"MSG_CMSG_CLOEXEC", 0x40000000},
    {"POLLIN", 0x1},
    {"POLLPRI", 0x2},
    {"POLLOUT", 0x4},
    {"POLLERR", kPollErr},
    {"POLLHUP", kPollHup},
    {"POLLNVAL", kPollNval},
    {"POLLRDNORM", 0x40},
    {"POLLRDBAND", 0x80},
    {"POLLWRNORM", 0x100},
    {"POLLWRBAND", 0x200},
    {"POLLMSG", 0x400},
    {"POLLREMOVE", 0x1000},
    {"POLLRDHUP", kPollRdHup},
    {"EPOLLEXCLUSIVE", int64_t{1} << 28},
    {"EPOLLWAKEUP", int64_t{1} << 29},
    {"EPOLLONESHOT", kEpollOneShot},
    {"EPOLLET", kEpollEdge},
    {"EPOLL_CTL_ADD", 1},
    {"EPOLL_CTL_DEL", 2},
    {"EPOLL_CTL_MOD", 3},
    {"O_RDONLY", 0},
    {"O_WRONLY", 1},
    {"O_RDWR", 2},
    {"O_ACCMODE", 3},
    {"O_CREAT", 0100},
    {"O_EXCL", 0200},
    {"O_NOCTTY", 0400},
    {"O_TRUNC", 01000},
    {"O_APPEND", 02000},
    {"O_NONBLOCK", 04000},
    {"O_NDELAY", 04000},
    {"F_DUPFD", 0},
    {"F_GETFD", 1},
    {"F_SETFD", 2},
    {"F_GETFL", 3},
    {"F_SETFL", 4},
    {"F_GETLK", 5},
    {"F_SETLK", 6},
    {"F_SETLKW", 7},
    {"F_SETOWN", 8},
    {"F_GETOWN", 9},
    {"F_SETSIG", 10},
    {"F_GETSIG", 11},
    {"F_DUPFD_CLOEXEC", 1030},
    {"FD_CLOEXEC", 1},
    {"SOCK_STREAM", 1},
    {"SOCK_DGRAM", 2},
    {"SOCK_RAW", 3},
    {"SOCK_RDM", 4},
    {"SOCK_SEQPACKET", 5},
    {"SOCK_DCCP", 6},
    {"SOCK_PACKET", 10},
    {"SOCK_NONBLOCK", 04000},
    {"SOCK_CLOEXEC", 02000000},
};

// Which names an argument may have: those that begin so.
struct Place {
  std::string_view call;
  size_t argument;
  std::string_view prefix;
};
constexpr Place kPlaces[] = {
    {"shutdown", 1, "SHUT_"}, {"recv", 3, "MSG_"},     {"recvfrom", 3, "MSG_"},
    {"send", 3, "MSG_"},      {"sendto", 3, "MSG_"},   {"sendmsg", 2, "MSG_"},
    {"recvmsg", 2, "MSG_"},   {"fcntl", 1, "F_"},      {"fcntl", 2, ""},
    {"socket", 1, "SOCK_"},   {"accept4", 3, "SOCK_"}, {"epoll_ctl", 1, "EPOLL_CTL_"},
};

std::optional<int64_t> constant(std::string_view name) {
  for (const Constant& one : kConstants) {
    if (one.name == name) return one.value;
  }
  if (name.rfind("EPOLL", 0) == 0 && name != "EPOLLNVAL" && name != "EPOLLREMOVE")
    return constant(name.substr(1));
  return std::nullopt;
}

const Value* misnamed_in(const Value& value, std::string_view prefix) {
  if (value.kind == Value::Kind::kWord) {
    const std::string_view name = value.text;
    const bool belongs = name.rfind(prefix, 0) == 0 && constant(name);
    return belongs || name == "NULL" ? nullptr : &value;
  }
  if (value.kind != Value::Kind::kOr) return nullptr;
  for (const Value& item : value.items) {
    if (const Value* wrong = misnamed_in(item, prefix)) return wrong;
  }
  return nullptr;
}

// setsockopt(4, LEVEL, OPTION, ...).
const Value* misnamed_option(const CallSpec& call) {
  if (call.arguments.size() < 3) return nullptr;
  const Value& level = call.arguments[1];
  const Value& option = call.arguments[2];
  if (level.kind == Value::Kind::kWord && !is_socket_level(level.text)) return &level;
  return option.kind == Value::Kind::kWord && !is_socket_option(option.text) ? &option : nullptr;
}

// msg_flags in {msg_name(...)=..., msg_iov(1)=[...], msg_flags=MSG_TRUNC}.
const Value* misnamed_flags(const CallSpec& call) {
  const bool message =
      call.arguments.size() > 1 && (call.name == "recvmsg" || call.name == "sendmsg");
  const Value* flags = message ? member(call.arguments[1], "msg_flags") : nullptr;
  return flags == nullptr ? nullptr : misnamed_in(*flags, "MSG_");
}

// events and revents in {fd=4, events=POLLIN} and in [{fd=4, events=POLLIN}].
const Value* misnamed_event(const Value& value, std::string_view prefix) {
  for (const char* name : {"events", "revents"}) {
    const Value* events = member(value, name);
    const Value* wrong = events == nullptr ? nullptr : misnamed_in(*events, prefix);
    if (wrong != nullptr) return wrong;
  }
  if (value.kind != Value::Kind::kList) return nullptr;
  for (const Value& item : value.items) {
    if (const Value* wrong = misnamed_event(item, prefix)) return wrong;
  }
  return nullptr;
}

}  // namespace

const Value* member(const Value& structure, const char* name) {
  for (size_t i = 0; i < structure.names.size(); ++i) {
    if (structure.names[i] == name) return &structure.items[i];
  }
  return nullptr;
}

std::optional<int64_t> number_of(const Value& value) {
  if (value.kind == Value::Kind::kNumber) return value.number;
  if (value.kind == Value::Kind::kWord) return constant(value.text);
  if (value.kind != Value::Kind::kOr) return std::nullopt;
  int64_t bits = 0;
  for (const Value& item : value.items) {
    const auto one = number_of(item);
    if (!one) return std::nullopt;
    bits |= *one;
  }
  return bits;
}

std::string names_of(int64_t bits, std::string_view prefix) {
  const bool epoll = prefix == "EPOLL";
  if (epoll) prefix = "POLL";
  std::string text;
  const auto add = [&text](const std::string& name) { text += (text.empty() ? "" : "|") + name; };
  for (const Constant& one : kConstants) {
    const bool single = one.value != 0 && (one.value & (one.value - 1)) == 0;
    if (!single || one.name.rfind(prefix, 0) != 0 || (bits & one.value) == 0) continue;
    add((epoll ? "E" : "") + std::string(one.name));
    bits &= ~one.value;
  }
  std::string rest;
  for (auto left = static_cast<uint64_t>(bits); left != 0; left /= 16) {
    rest.insert(rest.begin(), "0123456789abcdef"[left % 16]);
  }
  if (!rest.empty()) add("0x" + rest);
  return text.empty() ? "0" : text;
}

const Value* misnamed(const CallSpec& call) {
  if (call.name == "setsockopt" || call.name == "getsockopt") return misnamed_option(call);
  if (const Value* wrong = misnamed_flags(call)) return wrong;
  const bool polls = call.name == "poll";
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    const Value& argument = call.arguments[i];
    for (const Place& place : kPlaces) {
      if (call.name != place.call || i != place.argument) continue;
      if (const Value* wrong = misnamed_in(argument, place.prefix)) return wrong;
    }
    if (!polls && call.name.rfind("epoll_", 0) != 0) continue;
    if (const Value* wrong = misnamed_event(argument, polls ? "POLL" : "EPOLL")) return wrong;
  }
  return nullptr;
}

}  // namespace dashi::script
