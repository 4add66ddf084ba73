// Socket options and fcntl of the far end.
#include <array>

#include "sim/script/constants.hh"
#include "sim/script/far_end.hh"
#include "sim/script/socket_options.hh"

namespace dashi::script {
namespace {

// Options that a kernel gives back as they were set, or doubled.
struct Kept {
  const char* name;
  int64_t times;
};
constexpr std::array<Kept, 10> kKept{{{"SO_SNDBUF", 2},
                                      {"SO_RCVBUF", 2},
                                      {"SO_REUSEADDR", 1},
                                      {"SO_KEEPALIVE", 1},
                                      {"SO_OOBINLINE", 1},
                                      {"SO_ZEROCOPY", 1},
                                      {"TCP_NODELAY", 1},
                                      {"TCP_MAXSEG", 1},
                                      {"TCP_KEEPIDLE", 1},
                                      {"TCP_KEEPINTVL", 1}}};

constexpr int64_t kGetFlags = 3;      // F_GETFL
constexpr int64_t kSetFlags = 4;      // F_SETFL
constexpr int64_t kReadWrite = 2;     // O_RDWR
constexpr int64_t kNonblock = 04000;  // O_NONBLOCK

// Nothing: it can be set, or asked for if it was.
std::optional<CallResult> refused(const CallSpec& call) {
  const Value& level = call.arguments[1];
  const Value& option = call.arguments[2];
  if (level.kind != Value::Kind::kWord || option.kind != Value::Kind::kWord)
    return CallResult::not_served("an option without its name");
  if (takes_option(level.text, option.text)) return std::nullopt;
  return CallResult::not_served("the option " + option.text);
}

}  // namespace

// Options of the far end's own stack have nothing to act on here: its transport is a byte pipe. They
// are taken, as a kernel would; what shows at the guest is the NAT's.
CallResult FarEnd::setsockopt(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  if (const auto no = refused(call)) return *no;
  const std::string& option = call.arguments[2].text;
  const Value& value = call.arguments[3];
  if (option == "SO_LINGER") {
    const Value* on = member(value, "onoff");
    const Value* linger = member(value, "linger");
    if (on == nullptr || linger == nullptr) return CallResult::not_served("this form of SO_LINGER");
    if (on->number != 0 && linger->number != 0)
      return CallResult::not_served("a close that waits, by SO_LINGER");
    descriptor->resets_on_close = on->number != 0;
  }
  if (value.items.size() == 1) descriptor->options[option] = value.items[0].number;
  return CallResult::returned(0);
}

CallResult FarEnd::getsockopt(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  const bool error_asked =
      holds_word(call.arguments[1], "SOL_SOCKET") && holds_word(call.arguments[2], "SO_ERROR");
  if (!error_asked) return kept_option(*descriptor, call);
  std::string error = "0";
  if (descriptor->kind == Descriptor::Kind::kStream) {
    if (const auto end = terminal(*descriptor); end && end->value < 0) error = end->error;
  }
  CallResult result = CallResult::returned(0);
  const Value& expected = call.arguments[3];
  if (expected.items.size() != 1) return result;
  const Value& one = expected.items[0];
  const std::string wanted =
      one.kind == Value::Kind::kNumber ? std::to_string(one.number) : one.text;
  if (wanted != error) result.mismatch = "SO_ERROR is " + error;
  return result;
}

// What was set is given back; what a kernel begins with is not known here.
CallResult FarEnd::kept_option(const Descriptor& descriptor, const CallSpec& call) const {
  if (const auto no = refused(call)) return *no;
  const std::string& name = call.arguments[2].text;
  const auto set = descriptor.options.find(name);
  const Value& expected = call.arguments[3];
  const bool one = expected.items.size() == 1 && expected.items[0].kind == Value::Kind::kNumber;
  for (const Kept& kept : kKept) {
    if (name != kept.name || set == descriptor.options.end() || !one) continue;
    CallResult result = CallResult::returned(0);
    const int64_t value = set->second * kept.times;
    if (expected.items[0].number != value) result.mismatch = name + " is " + std::to_string(value);
    return result;
  }
  return CallResult::not_served("the option " + name + " cannot be asked for");
}

CallResult FarEnd::fcntl(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  const auto command = number_of(call.arguments[1]);
  if (command == kGetFlags) {
    const int64_t flags = kReadWrite | (descriptor->nonblocking ? kNonblock : 0);
    CallResult result = CallResult::returned(flags);
    const auto wanted = number_of(call.result);
    if (!wanted || *wanted == flags) return result;
    result.value = *wanted;  // so that the names are told, not the number
    result.mismatch = "the flags are " + names_of(flags, "O_");
    return result;
  }
  const auto flags = call.arguments.size() < 3 ? std::nullopt : number_of(call.arguments[2]);
  if (command != kSetFlags || !flags) return CallResult::not_served("this form of fcntl");
  descriptor->nonblocking = (*flags & kNonblock) != 0;
  return CallResult::returned(0);
}

}  // namespace dashi::script
