// Socket options, fcntl and poll of the far end.
#include <algorithm>

#include "sim/script/far_end.hh"

namespace dashi::script {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : "|") + word;
  return text.empty() ? "0" : text;
}

const Value* member(const Value& structure, const char* name) {
  for (size_t i = 0; i < structure.items.size(); ++i) {
    if (structure.names[i] == name) return &structure.items[i];
  }
  return nullptr;
}

}  // namespace

// Options of the far end's own stack have nothing to act on here: its transport is a byte pipe. They
// are taken, as a kernel would; what shows at the guest is the NAT's.
CallResult FarEnd::setsockopt(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  const Value& option = call.arguments[2];
  const Value& value = call.arguments[3];
  if (holds_word(option, "SO_LINGER") && value.kind == Value::Kind::kStruct) {
    const Value* on = member(value, "onoff");
    const Value* linger = member(value, "linger");
    descriptor->resets_on_close =
        on != nullptr && linger != nullptr && on->number == 1 && linger->number == 0;
  }
  return CallResult::returned(0);
}

CallResult FarEnd::getsockopt(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  if (!holds_word(call.arguments[2], "SO_ERROR")) {
    return CallResult::not_served("this socket option cannot be asked for");
  }
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

CallResult FarEnd::fcntl(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  if (holds_word(call.arguments[1], "F_GETFL")) {
    CallResult result = CallResult::returned(0);
    if (holds_word(call.result, "O_NONBLOCK") != descriptor->nonblocking) {
      result.mismatch = descriptor->nonblocking ? "O_NONBLOCK is set" : "O_NONBLOCK is not set";
    }
    if (call.result.kind == Value::Kind::kNumber) result.value = call.result.number;
    return result;
  }
  if (!holds_word(call.arguments[1], "F_SETFL") || call.arguments.size() < 3) {
    return CallResult::not_served("this form of fcntl");
  }
  descriptor->nonblocking = holds_word(call.arguments[2], "O_NONBLOCK");
  return CallResult::returned(0);
}

// What poll would say of a descriptor, in the order scripts write it.
std::vector<std::string> FarEnd::ready(Descriptor& descriptor) {
  std::vector<std::string> events;
  const SimConnection* at = connection(descriptor);
  if (descriptor.kind == Descriptor::Kind::kDatagram) {
    if (world_.apps().received_at(descriptor.local).size() > descriptor.taken) events = {"POLLIN"};
    return events;
  }
  if (descriptor.kind != Descriptor::Kind::kStream) return events;
  const AppRecord& app = record(descriptor);
  const bool broken = app.reset || app.failed || app.error.has_value();
  if (broken || at == nullptr) return {"POLLIN", "POLLOUT", "POLLERR", "POLLHUP", "POLLRDHUP"};
  if (!app.connected) return events;
  auto& live = *connection(descriptor);
  const StreamPipe& in = live.read_by(dashi::Side::kThere);
  if (in.readable() > 0 || in.fin_arrived()) events.emplace_back("POLLIN");
  if (live.written_by(dashi::Side::kThere).room() > 0 || descriptor.wrote_end) {
    events.emplace_back("POLLOUT");
  }
  if (in.fin_arrived() && descriptor.wrote_end) events.emplace_back("POLLHUP");
  if (in.fin_arrived()) events.emplace_back("POLLRDHUP");
  return events;
}

// poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, timeout_ms).
CallResult FarEnd::poll(const CallSpec& call) {
  if (call.arguments[0].kind != Value::Kind::kList) {
    return CallResult::failed("EINVAL");
  }
  CallResult result = CallResult::returned(0);
  for (const Value& entry : call.arguments[0].items) {
    const Value* fd = member(entry, "fd");
    const Value* asked = member(entry, "events");
    const Value* expected = member(entry, "revents");
    const auto found = fd == nullptr ? descriptors_.end() : descriptors_.find(fd->number);
    if (found == descriptors_.end() || asked == nullptr) return CallResult::failed("EINVAL");
    std::vector<std::string> events;
    for (const std::string& event : ready(found->second)) {
      const bool always = event == "POLLERR" || event == "POLLHUP";
      if (always || holds_word(*asked, event.c_str())) events.push_back(event);
    }
    if (!events.empty()) ++result.value;
    const bool right = expected == nullptr ||
                       std::all_of(events.begin(), events.end(), [&](const std::string& event) {
                         return holds_word(*expected, event.c_str());
                       });
    const size_t named = expected == nullptr                    ? events.size()
                         : expected->kind == Value::Kind::kOr   ? expected->items.size()
                         : expected->kind == Value::Kind::kWord ? 1
                                                                : 0;
    if (!right || named != events.size()) {
      result.mismatch = "revents is " + joined(events);
    }
  }
  const int64_t timeout = call.arguments[2].number;
  if (result.value == 0 && timeout != 0) return {CallResult::Kind::kBlocked, 0, {}, {}};
  return result;
}

}  // namespace dashi::script
