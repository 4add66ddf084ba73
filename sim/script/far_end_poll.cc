// poll and epoll of the far end: which descriptors have news.
#include <algorithm>

#include "sim/script/constants.hh"
#include "sim/script/far_end.hh"

namespace dashi::script {
namespace {

constexpr int64_t kWaitMax = INT32_MAX;  // milliseconds: an int
constexpr int64_t kEpollAdd = 1;         // EPOLL_CTL_ADD
constexpr int64_t kEpollDelete = 2;

// fd=4 in {events=EPOLLIN, fd=4}, or ptr=4: what is kept beside the events.
std::optional<int64_t> data_of(const Value& event) {
  for (const char* name : {"fd", "ptr", "u32", "u64"}) {
    const Value* data = member(event, name);
    if (data != nullptr) return number_of(*data);
  }
  return std::nullopt;
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

// What poll would say of a descriptor, were it asked for everything.
int64_t FarEnd::ready(Descriptor& descriptor) {
  using Kind = Descriptor::Kind;
  if (descriptor.kind == Kind::kFresh) return kPollOut | kPollHup;
  if (descriptor.kind == Kind::kListener) {
    const bool may = !established_ || established_();
    return may && world_.apps().has_accepted(descriptor.local) ? kPollIn : 0;
  }
  if (descriptor.kind == Kind::kDatagram) {
    const bool unread = world_.apps().received_at(descriptor.local).size() > descriptor.taken;
    return kPollOut | (unread ? kPollIn : 0);
  }
  if (descriptor.kind != Kind::kStream) return 0;
  const AppRecord& app = record(descriptor);
  const bool broken = app.reset || app.failed || app.error.has_value();
  if (broken || connection(descriptor) == nullptr) {
    const bool untold = broken && !descriptor.told_of_reset;
    return kPollIn | kPollOut | kPollHup | kPollRdHup | (untold ? kPollErr : 0);
  }
  if (!is_up(descriptor)) return 0;
  auto& live = *connection(descriptor);
  const StreamPipe& in = live.read_by(dashi::Side::kThere);
  const bool ended = in.fin_arrived();
  const bool writable = live.written_by(dashi::Side::kThere).room() > 0 || descriptor.wrote_end;
  int64_t events = 0;
  if (in.readable() > 0 || ended) events |= kPollIn;
  if (writable) events |= kPollOut;
  if (ended) events |= kPollRdHup;
  if (ended && descriptor.wrote_end) events |= kPollHup;
  return events;
}

// poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, timeout_ms).
CallResult FarEnd::poll(const CallSpec& call) {
  if (call.arguments[0].kind != Value::Kind::kList)
    return CallResult::misused("poll needs [{...}]");
  CallResult result = CallResult::returned(0);
  for (const Value& entry : call.arguments[0].items) {
    const Value* fd = member(entry, "fd");
    const Value* asked = member(entry, "events");
    const Value* expected = member(entry, "revents");
    if (fd == nullptr || asked == nullptr)
      return CallResult::misused("poll needs fd=... and events=...");
    const auto found = descriptors_.find(fd->number);
    int64_t events = fd->number < 0 ? 0 : kPollNval;
    if (found != descriptors_.end())
      events = ready(found->second) & (number_of(*asked).value_or(0) | kPollErr | kPollHup);
    if (events != 0) ++result.value;
    const auto wanted = expected == nullptr ? std::nullopt : number_of(*expected);
    if (wanted && *wanted != events) result.mismatch = "revents is " + names_of(events, "POLL");
  }
  return result.value != 0 ? result : waits(std::move(result), call.arguments[2]);
}

// An epoll set is a descriptor like any other.
CallResult FarEnd::epoll_create(const CallSpec& call) {
  if (call.result.kind != Value::Kind::kNumber) return CallResult::not_served("this epoll_create");
  Descriptor descriptor;
  descriptor.kind = Descriptor::Kind::kEpoll;
  return opened(call, descriptor);
}

// epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN|EPOLLET, fd=4})
CallResult FarEnd::epoll_ctl(const CallSpec& call) {
  Descriptor* set = find(call, 0);
  if (set == nullptr || find(call, 2) == nullptr) return CallResult::failed("EBADF");
  const int64_t fd = call.arguments[2].number;
  const int64_t operation = number_of(call.arguments[1]).value_or(0);
  const bool watched = set->watched.count(fd) != 0;
  if (operation == kEpollAdd && watched) return CallResult::failed("EEXIST");
  if (operation != kEpollAdd && !watched) return CallResult::failed("ENOENT");
  if (operation == kEpollDelete) {
    set->watched.erase(fd);
    return CallResult::returned(0);
  }
  const Value* events = member(call.arguments[3], "events");
  if (events == nullptr) return CallResult::failed("EINVAL");
  set->watched[fd] = {number_of(*events).value_or(0) | kPollErr | kPollHup, 0,
                      data_of(call.arguments[3])};
  return CallResult::returned(0);
}

// epoll_wait(5, {events=EPOLLIN, fd=4}, 1, timeout_ms): one event is all that scripts ask for.
CallResult FarEnd::epoll_wait(const CallSpec& call) {
  Descriptor* set = find(call, 0);
  if (set == nullptr) return CallResult::failed("EBADF");
  CallResult result = CallResult::returned(0);
  const Value& expected = call.arguments[1];
  const int64_t most = call.arguments[2].number;
  for (auto& [fd, watch] : set->watched) {
    const auto found = descriptors_.find(fd);
    if (found == descriptors_.end()) continue;
    if (found->second.sent_zerocopy) return CallResult::not_served("news of MSG_ZEROCOPY");
    const int64_t now = ready(found->second) & watch.asked;
    const bool edge = (watch.asked & kEpollEdge) != 0;
    const bool news = (now & ~watch.told) != 0;
    if (result.value == most && most > 0) break;
    if (edge) watch.told = now;
    if (now == 0 || (edge && !news)) continue;
    if ((watch.asked & kEpollOneShot) != 0) watch.asked = 0;
    ++result.value;
    const Value* events = member(expected, "events");
    const auto wanted = events == nullptr ? std::nullopt : number_of(*events);
    const auto data = data_of(expected);
    if (wanted && *wanted != now) result.mismatch = "events is " + names_of(now, "EPOLL");
    if (data && watch.data && *data != *watch.data)
      result.mismatch = "the event is of " + std::to_string(*watch.data);
  }
  return result.value != 0 ? result : waits(std::move(result), call.arguments[3]);
}

}  // namespace dashi::script
