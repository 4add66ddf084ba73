#include "core/linux/driver.hh"

#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>

#include <algorithm>

#include "core/linux/log.hh"

namespace dashi {
namespace {

// What the command wrote last may still be on its way through its own kernel when it ends. Counts from the
// last byte a host took; while we hold bytes for one, the linger does.
constexpr Duration kLastCall = 2s;

// The same methods on either link, without a common base.
template <typename Call>
decltype(auto) with_link(const std::variant<Tap*, StreamLink*>& link, Call call) {
  return std::visit([&](auto* one) { return call(*one); }, link);
}

bool take_restart(Tap& /*tap*/) { return false; }
bool take_restart(StreamLink& link) { return link.take_restart(); }
bool restart_waits(const Tap& /*tap*/) { return false; }
bool restart_waits(const StreamLink& link) { return link.restart_waits(); }

std::span<const GuestFrame> frames_of(Tap& tap, bool& /*restarted*/) { return tap.receive(); }

std::span<const GuestFrame> frames_of(StreamLink& link, bool& restarted) {
  const auto frames = link.receive();
  restarted = link.take_restart();
  // What a guest that is gone sent last has nobody to be answered to.
  return restarted ? std::span<const GuestFrame>() : frames;
}

bool is_gone(const Tap& tap) { return tap.gone(); }
bool is_gone(const StreamLink& /*link*/) { return false; }

}  // namespace

Instant clock_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return instant_from_nanoseconds(int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
}

Fd open_signals() {
  sigset_t wanted;
  ::sigemptyset(&wanted);
  for (const int number : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1}) ::sigaddset(&wanted, number);
  // Whoever reads what we say may stop reading.
  ::signal(SIGPIPE, SIG_IGN);
  ::sigprocmask(SIG_BLOCK, &wanted, nullptr);
  return Fd(::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC));
}

Driver::Driver(const Parts& parts)
    : parts_(parts),
      resolv_conf_watch_(parts.resolv_conf == nullptr ? "" : *parts.resolv_conf),
      resolvers_(parts.resolvers),
      host_ipv6_(host_has_ipv6_default_route()) {
  for (pollfd& input : polled_) input = {-1, POLLIN, 0};
  polled_[kSockets].fd = parts_.sockets.epoll_fd();
  polled_[kSignals].fd = parts_.signals;
  if (parts_.resolv_conf != nullptr) polled_[kResolvConf].fd = resolv_conf_watch_.fd();
  polled_[kRoutes].fd = route_watch_.fd();
  if (parts_.command != nullptr) polled_[kCommand].fd = parts_.command->pid_fd();
  if (parts_.guest != nullptr) polled_[kGuest].fd = parts_.guest->fd();
}

int Driver::run() {
  while (!stopping_) {
    wait();
    turn();
  }
  parts_.nat.abort_unfinished(clock_now());
  return status_;
}

void Driver::wait() {
  bool restart = false;
  with_link(parts_.link, [&](auto& link) {
    restart = restart_waits(link);
    polled_[kLink].fd = link_gone_ ? -1 : link.fd();
    polled_[kLink].events = static_cast<short>(POLLIN | (link.wants_write() ? POLLOUT : 0));
  });
  auto deadline = parts_.nat.next_deadline();
  if (last_call_ && (!deadline || *deadline > *last_call_)) deadline = last_call_;
  timespec timeout{};
  const bool waits = !parts_.sockets.has_events() && !link_room_ && !restart;
  if (waits && deadline) {
    const int64_t ns = std::max<int64_t>(0, (*deadline - clock_now()).count());
    timeout = {ns / 1'000'000'000, ns % 1'000'000'000};
  }
  const bool for_ever = waits && !deadline;
  if (::ppoll(polled_.data(), polled_.size(), for_ever ? nullptr : &timeout, nullptr) < 0) {
    for (pollfd& input : polled_) input.revents = 0;
  }
}

void Driver::turn() {
  const Instant now = clock_now();
  if (parts_.capture != nullptr) parts_.capture->advance(now);
  handle_link(now);
  if (ready(kSockets)) parts_.sockets.poll();
  if (parts_.sockets.has_events()) {
    const auto events = parts_.sockets.take_events();
    if (parts_.capture != nullptr) parts_.capture->from_host(events);
    parts_.nat.handle_sockets(now, events);
  }
  handle_host(now);
  parts_.nat.handle_timers(now);
  parts_.nat.flush(now);
  with_link(parts_.link, [&](auto& link) { link_room_ = link.take_writable() || link_room_; });
  if (parts_.sockets.echo_denied() && !echo_denied_said_) {
    echo_denied_said_ = true;
    log_warning("ping is refused by the host: its net.ipv4.ping_group_range leaves this user out");
  }
  if (last_call_) judge_last_call(now);
}

void Driver::judge_last_call(Instant now) {
  const FlowCounts flows = parts_.nat.flow_counts();
  if (link_quiet_ && flows.tcp == 0) {
    stopping_ = true;
    return;
  }
  const uint64_t bytes_up = parts_.nat.counters().values[static_cast<size_t>(Counter::kTcpBytesUp)];
  if (bytes_up != bytes_up_) {
    bytes_up_ = bytes_up;
    last_progress_ = now;
  }
  last_call_ = last_progress_ + (flows.tcp_held_bytes != 0 ? parts_.linger : kLastCall);
  if (now < *last_call_) return;
  if (flows.tcp_held_bytes != 0) log_warning("a server did not take all that the command sent");
  stopping_ = true;
}

void Driver::handle_link(Instant now) {
  bool restarted = false;
  std::span<const GuestFrame> frames;
  with_link(parts_.link, [&](auto& link) {
    if ((polled_[kLink].revents & POLLOUT) != 0) {
      link.handle_writable();
      link_room_ = link.take_writable() || link_room_;
    }
    // A guest may have gone while we sent to it: that is said before the next is let in.
    restarted = take_restart(link);
    if (!restarted && (polled_[kLink].revents & ~POLLOUT) != 0) frames = frames_of(link, restarted);
    if (is_gone(link) && !link_gone_) {
      link_gone_ = true;
      log_error("the guest's interface is gone");
      // A command may do without a network, and has a status of its own.
      if (parts_.command == nullptr) status_ = 1;
      stopping_ = parts_.command == nullptr;
    }
  });
  if (restarted) {
    const bool here = std::get<StreamLink*>(parts_.link)->connected();
    log_info(here ? "a guest connected" : "the guest disconnected");
    parts_.nat.restart_link(now);
    link_room_ = true;
  }
  link_quiet_ = frames.empty();
  if (!frames.empty()) {
    if (parts_.capture != nullptr) parts_.capture->from_guest(frames);
    parts_.nat.handle_frames(now, frames);
  }
  if (link_room_) {
    link_room_ = false;
    parts_.nat.handle_guest_writable(now);
  }
}

void Driver::handle_host(Instant now) {
  if (ready(kResolvConf)) {
    resolv_conf_watch_.drain();
    const ResolvConf read = read_resolv_conf(*parts_.resolv_conf);
    // A file that is just being written is empty for a moment: the old resolvers are better than none.
    // The folders that are watched have other files too.
    if (!read.resolvers.empty() && read.resolvers != resolvers_) {
      resolvers_ = read.resolvers;
      parts_.nat.set_resolvers(now, resolvers_);
      log_detail("the host's resolvers are others now");
    }
  }
  if (ready(kRoutes)) {
    route_watch_.drain();
    const bool has_route = host_has_ipv6_default_route();
    if (has_route != host_ipv6_) {
      host_ipv6_ = has_route;
      log_detail(has_route ? "the host has an IPv6 default route"
                           : "no IPv6 default route any more");
      parts_.nat.set_host_ipv6(now, has_route);
    }
  }
  if (ready(kSignals)) handle_signals();
  if (ready(kCommand)) handle_command_end();
  if (ready(kGuest) && parts_.guest->ended()) {
    log_info(parts_.guest->text());
    stopping_ = true;
  }
}

void Driver::handle_signals() {
  signalfd_siginfo info{};
  while (::read(parts_.signals, &info, sizeof info) == sizeof info) {
    const int number = static_cast<int>(info.ssi_signo);
    if (number == SIGUSR1) {
      say_status(clock_now());
    } else if (parts_.command == nullptr || last_call_) {
      stopping_ = true;
    } else if ((number != SIGINT && number != SIGQUIT) || info.ssi_code != SI_KERNEL) {
      // A terminal's keys, which the kernel tells us of, reach the command as well: it decides.
      parts_.command->signal(number);
    }
  }
}

void Driver::handle_command_end() {
  status_ = parts_.command->wait();
  polled_[kCommand] = {-1, POLLIN, 0};
  last_progress_ = clock_now();
  last_call_ = last_progress_ + kLastCall;
  // What it sent while this turn ran is still to be read: one more, without waiting.
  link_quiet_ = false;
  link_room_ = true;
}

void Driver::say_status(Instant now) const {
  const FlowCounts flows = parts_.nat.flow_counts();
  std::string out = "dashi: status\n";
  const auto line = [&](std::string_view name, uint64_t value) {
    out += "  " + std::string(name) + " " + std::to_string(value) + "\n";
  };
  line("tcp", flows.tcp);
  line("tcp-held-bytes", flows.tcp_held_bytes);
  line("tcp-time-wait", flows.tcp_time_wait);
  line("udp", flows.udp);
  line("echo", flows.echo);
  line("dns", flows.dns);
  line("open-sockets", parts_.sockets.open_sockets());
  const Counters& counters = parts_.nat.counters();
  for (size_t i = 0; i < kCounterCount; ++i) {
    if (counters.values[i] != 0) line(name_of(static_cast<Counter>(i)), counters.values[i]);
  }
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    if (counters.drops[i] == 0) continue;
    line("drop " + std::string(name_of(static_cast<DropReason>(i))), counters.drops[i]);
  }
  log_raw(out + parts_.nat.dump(now) + "dashi: end of status\n");
}

}  // namespace dashi
