// poll and epoll of the far end: which descriptors have news.
#include <algorithm>

#include "sim/script/far_end.hh"

namespace dashi::script {
namespace {

constexpr int64_t kWaitMax = INT32_MAX;  // milliseconds: an int

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : "|") + word;
  return text.empty() ? "0" : text;
}

void add_words(const Value& value, std::set<std::string>& words) {
  if (value.kind == Value::Kind::kWord) words.insert(value.text);
  for (const Value& item : value.items) add_words(item, words);
}

// Nothing is ready: 0 at once, after so many milliseconds, or, of a negative number, never.
CallResult waits(CallResult nothing, const Value& timeout) {
  if (timeout.kind == Value::Kind::kNumber && timeout.number == 0) return nothing;
  nothing.kind = CallResult::Kind::kBlocked;
  if (timeout.kind == Value::Kind::kNumber && timeout.number > 0) {
    nothing.at_most = std::chrono::milliseconds(std::min(timeout.number, kWaitMax));
  }
  return nothing;
}

}  // namespace

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
  if (!is_up(descriptor)) return events;
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
  return result.value != 0 ? result : waits(std::move(result), call.arguments[2]);
}

// An epoll set is a descriptor like any other.
CallResult FarEnd::epoll_create(const CallSpec& call) {
  if (call.result.kind != Value::Kind::kNumber) return CallResult::not_served("this epoll_create");
  Descriptor descriptor;
  descriptor.kind = Descriptor::Kind::kEpoll;
  descriptors_[call.result.number] = descriptor;
  return CallResult::returned(call.result.number);
}

// epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN|EPOLLET, fd=4})
CallResult FarEnd::epoll_ctl(const CallSpec& call) {
  Descriptor* set = find(call, 0);
  if (set == nullptr || find(call, 2) == nullptr) return CallResult::failed("EBADF");
  const int64_t fd = call.arguments[2].number;
  if (holds_word(call.arguments[1], "EPOLL_CTL_DEL")) {
    return set->watched.erase(fd) != 0 ? CallResult::returned(0) : CallResult::failed("ENOENT");
  }
  Watch watch;
  const Value* events = member(call.arguments[3], "events");
  if (events == nullptr) return CallResult::failed("EINVAL");
  add_words(*events, watch.asked);
  set->watched[fd] = watch;
  return CallResult::returned(0);
}

// epoll_wait(5, {events=EPOLLIN, fd=4}, 1, timeout_ms): one event is all that scripts ask for.
CallResult FarEnd::epoll_wait(const CallSpec& call) {
  Descriptor* set = find(call, 0);
  if (set == nullptr) return CallResult::failed("EBADF");
  CallResult result = CallResult::returned(0);
  for (auto& [fd, watch] : set->watched) {
    const auto found = descriptors_.find(fd);
    if (found == descriptors_.end()) continue;
    if (found->second.sent_zerocopy) return CallResult::not_served("news of MSG_ZEROCOPY");
    std::set<std::string> now;
    for (const std::string& event : ready(found->second)) {
      const std::string name = "E" + event;  // POLLIN -> EPOLLIN
      const bool always = name == "EPOLLERR" || name == "EPOLLHUP";
      if (always || watch.asked.count(name) != 0) now.insert(name);
    }
    std::set<std::string> told = now;
    if (watch.asked.count("EPOLLET") != 0) {
      const bool news =
          !std::includes(watch.told.begin(), watch.told.end(), now.begin(), now.end());
      watch.told = now;
      if (!news) told.clear();
    }
    if (told.empty()) continue;
    ++result.value;
    std::set<std::string> expected;
    if (const Value* events = member(call.arguments[1], "events")) add_words(*events, expected);
    if (call.arguments[1].kind == Value::Kind::kStruct && expected != told) {
      result.mismatch = "events is " + joined({told.begin(), told.end()});
    }
  }
  return result.value != 0 ? result : waits(std::move(result), call.arguments[3]);
}

}  // namespace dashi::script
