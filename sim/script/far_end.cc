#include "sim/script/far_end.hh"

#include <algorithm>

#include "sim/script/constants.hh"
#include "sim/script/places.hh"
#include "sim/script/setting.hh"

namespace dashi::script {
namespace {

constexpr int64_t kFirstDescriptor = 3;
constexpr int64_t kShutRead = 0;  // SHUT_RD, SHUT_WR, SHUT_RDWR
constexpr int64_t kShutWrite = 1;
constexpr int64_t kShutBoth = 2;

const char* name_of(SocketError error) {
  switch (error) {
    case SocketError::kRefused:
      return "ECONNREFUSED";
    case SocketError::kReset:
      return "ECONNRESET";
    case SocketError::kTimedOut:
      return "ETIMEDOUT";
    case SocketError::kHostUnreachable:
      return "EHOSTUNREACH";
    case SocketError::kNetworkUnreachable:
      return "ENETUNREACH";
    default:
      return "EIO";
  }
}

constexpr Ipv4Address kLoopback4{{127, 0, 0, 1}};
constexpr Ipv6Address kLoopback6{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

}  // namespace

const Value* argument(const CallSpec& call, size_t index) {
  return index < call.arguments.size() ? &call.arguments[index] : nullptr;
}

FarEnd::FarEnd(World& world, const Setting& setting)
    : world_(world), setting_(setting), server_(setting.server), guest_(forwarded_port(setting)) {}

bool holds_word(const Value& value, const char* word) {
  if (value.kind == Value::Kind::kWord) return value.text == word;
  return value.kind == Value::Kind::kOr &&
         std::any_of(value.items.begin(), value.items.end(),
                     [word](const Value& item) { return holds_word(item, word); });
}

std::string difference_of(const CallSpec& call, const CallResult& result) {
  std::string got = std::to_string(result.value);
  if (!result.error.empty()) got += " " + result.error;
  const Value& expected = call.result;
  const bool value = expected.kind != Value::Kind::kNumber || expected.number == result.value;
  const bool error = call.error.empty() || call.error == result.error ||
                     (call.error == "EWOULDBLOCK" && result.error == "EAGAIN");
  if (!value || !error) return call.name + " returned " + got;
  return result.mismatch.empty() ? "" : call.name + ": " + result.mismatch;
}

bool takes_more(const CallSpec& call, const CallResult& result) {
  const bool writes = call.name == "write" || call.name == "send" || call.name == "sendto" ||
                      call.name == "sendmsg" || call.name == "writev";
  return writes && call.result.kind == Value::Kind::kNumber && result.value > call.result.number &&
         (call.result.number >= 0 || call.error == "EAGAIN");
}

const FarEnd::Served FarEnd::kServed[] = {
    {"socket", &FarEnd::socket, 3},
    {"bind", &FarEnd::bind, 3},
    {"listen", &FarEnd::listen, 2},
    {"accept", &FarEnd::accept, 3},
    {"accept4", &FarEnd::accept, 4},
    {"connect", &FarEnd::connect, 3},
    {"read", &FarEnd::read, 3},
    {"recv", &FarEnd::read, 4},
    {"recvfrom", &FarEnd::read, 4},
    {"write", &FarEnd::write, 3},
    {"send", &FarEnd::write, 4},
    {"sendto", &FarEnd::write, 4},
    {"shutdown", &FarEnd::shutdown, 2},
    {"close", &FarEnd::close, 1},
    {"setsockopt", &FarEnd::setsockopt, 5},
    {"getsockopt", &FarEnd::getsockopt, 5},
    {"fcntl", &FarEnd::fcntl, 2},
    {"poll", &FarEnd::poll, 3},
    {"epoll_create", &FarEnd::epoll_create, 1},
    {"epoll_create1", &FarEnd::epoll_create, 1},
    {"epoll_ctl", &FarEnd::epoll_ctl, 4},
    {"epoll_wait", &FarEnd::epoll_wait, 4},
    {"ioctl", &FarEnd::ioctl, 2},
    {"sendmsg", &FarEnd::sendmsg, 3},
    {"recvmsg", &FarEnd::recvmsg, 3},
    {"writev", &FarEnd::writev, 3},
    {"readv", &FarEnd::readv, 3},
};

bool FarEnd::knows(std::string_view name) {
  for (const Served& served : kServed) {
    if (name == served.name) return true;
  }
  for (const char* other : {"cap_set", "open", "pipe", "sendfile", "splice"}) {
    if (name == other) return true;
  }
  return name.substr(0, 4) == "psp_" || name.substr(0, 5) == "sctp_";
}

CallResult FarEnd::call(const CallSpec& call) {
  for (const Served& served : kServed) {
    if (call.name != served.name) continue;
    if (call.arguments.size() >= served.arguments) return (this->*served.call)(call);
    const std::string least = std::to_string(served.arguments);
    return CallResult::misused(call.name + " needs " + least + " arguments");
  }
  return CallResult::not_served("the call " + call.name + " is not served");
}

FarEnd::Descriptor* FarEnd::find(const CallSpec& call, size_t index) {
  const auto found = descriptors_.find(call.arguments[index].number);
  return found == descriptors_.end() ? nullptr : &found->second;
}

SimConnection* FarEnd::connection(const Descriptor& descriptor) {
  if (descriptor.kind != Descriptor::Kind::kStream) return nullptr;
  return world_.net().find(record(descriptor).connection);
}

bool FarEnd::is_up(Descriptor& descriptor) {
  if (descriptor.up) return true;
  descriptor.up = record(descriptor).connected && (!established_ || established_());
  return descriptor.up;
}

// A connection that never was established was refused by the guest, or nobody answered.
const char* FarEnd::failure_of(const Descriptor& descriptor) const {
  const AppRecord& record = this->record(descriptor);
  if (descriptor.up || !descriptor.connecting || !established_)
    return name_of(record.error.value_or(SocketError::kReset));
  return name_of(world_.nat().counters()[Counter::kTcpResetsReceived] != 0
                     ? SocketError::kRefused
                     : SocketError::kTimedOut);
}

// A reset or a failed connect is told once; after it a read is at its end and a write has no pipe.
std::optional<CallResult> FarEnd::terminal(Descriptor& descriptor) {
  const AppRecord& record = this->record(descriptor);
  if (!record.reset && !record.failed && !record.error) return std::nullopt;
  if (descriptor.told_of_reset) return CallResult::returned(0);
  descriptor.told_of_reset = true;
  return CallResult::failed(failure_of(descriptor));
}

CallResult FarEnd::socket(const CallSpec& call) {
  const Value* type = argument(call, 1);
  if (type == nullptr || call.result.kind != Value::Kind::kNumber) {
    return CallResult::not_served("this form of socket");
  }
  Descriptor descriptor;
  descriptor.local = server_;
  if (holds_word(*type, "SOCK_DGRAM"))
    descriptor.kind = Descriptor::Kind::kDatagram;
  else if (!holds_word(*type, "SOCK_STREAM"))
    return CallResult::not_served("a socket that is not a stream or datagram one");
  const Value* protocol = argument(call, 2);
  if (protocol != nullptr && holds_word(*protocol, "IPPROTO_MPTCP"))
    return CallResult::not_served("MPTCP");
  descriptor.nonblocking = holds_word(*type, "SOCK_NONBLOCK");
  return opened(call, descriptor);
}

// The script numbers its descriptors; where it expects none, one is told all the same.
CallResult FarEnd::opened(const CallSpec& call, const Descriptor& descriptor) {
  int64_t fd = call.result.number;
  if (fd < 0) {
    for (fd = kFirstDescriptor; descriptors_.count(fd) != 0;) ++fd;
  }
  if (!descriptors_.emplace(fd, descriptor).second)
    return CallResult::misused("descriptor " + std::to_string(fd) + " is open already");
  return CallResult::returned(fd);
}

// Linux's rule: one that listens shares its port with nobody, others only if all of them said so.
bool FarEnd::is_taken(const Descriptor& by) const {
  const auto shares = [](const Descriptor& one) {
    const auto set = one.options.find("SO_REUSEADDR");
    return set != one.options.end() && set->second != 0;
  };
  const bool datagram = by.kind == Descriptor::Kind::kDatagram;
  return std::any_of(descriptors_.begin(), descriptors_.end(), [&](const auto& entry) {
    const Descriptor& other = entry.second;
    const bool same = other.bound && other.local == by.local &&
                      (other.kind == Descriptor::Kind::kDatagram) == datagram;
    const bool listens = other.kind == Descriptor::Kind::kListener;
    return &other != &by && same && (listens || (!by.bound && !(shares(other) && shares(by))));
  });
}

CallResult FarEnd::bind(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  const bool datagram = descriptor->kind == Descriptor::Kind::kDatagram;
  if (descriptor->bound || (!datagram && descriptor->kind != Descriptor::Kind::kFresh))
    return CallResult::failed("EINVAL");
  const Port before = descriptor->local.port;
  if (const auto port = port_in(argument(call, 1))) descriptor->local.port = *port;
  if (is_taken(*descriptor)) {
    descriptor->local.port = before;
    return CallResult::failed("EADDRINUSE");
  }
  descriptor->bound = true;
  if (datagram) world_.apps().bind_manually(descriptor->local);
  return CallResult::returned(0);
}

CallResult FarEnd::listen(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  if (descriptor->kind == Descriptor::Kind::kDatagram) return CallResult::failed("EOPNOTSUPP");
  const bool listens = descriptor->kind == Descriptor::Kind::kListener;
  if (!listens && descriptor->kind != Descriptor::Kind::kFresh) return CallResult::failed("EINVAL");
  if (is_taken(*descriptor)) return CallResult::failed("EADDRINUSE");
  descriptor->bound = true;
  descriptor->kind = Descriptor::Kind::kListener;
  world_.apps().listen_manually(descriptor->local);
  return CallResult::returned(0);
}

CallResult FarEnd::accept(const CallSpec& call) {
  Descriptor* listener = find(call, 0);
  if (listener == nullptr) return CallResult::failed("EBADF");
  if (listener->kind != Descriptor::Kind::kListener) return CallResult::failed("EINVAL");
  if (established_ && !established_()) return would_block(*listener, 0);
  const std::optional<uint32_t> app = world_.apps().next_accepted(listener->local);
  if (!app) return would_block(*listener, 0);
  Descriptor accepted;
  accepted.kind = Descriptor::Kind::kStream;
  accepted.local = listener->local;
  accepted.app = *app;
  accepted.up = true;
  const Value* flags = argument(call, 3);
  accepted.nonblocking = flags != nullptr && holds_word(*flags, "SOCK_NONBLOCK");
  accepted.bound = true;
  accepted.options = listener->options;
  std::optional<Endpoint> peer;
  if (SimConnection* at = connection(accepted)) peer = at->end(dashi::Side::kHere).address;
  return telling(peer, opened(call, accepted), argument(call, 1), argument(call, 2));
}

CallResult FarEnd::connect(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  if (descriptor->kind == Descriptor::Kind::kDatagram) {
    descriptor->peer = guest_;
    if (const auto port = port_in(argument(call, 1))) descriptor->peer.port = *port;
    return CallResult::returned(0);
  }
  const bool fresh = descriptor->kind == Descriptor::Kind::kFresh;
  if (descriptor->connected || (!fresh && !descriptor->connecting))
    return CallResult::failed("EISCONN");
  if (fresh) {
    AppSpec app;
    app.kind = AppKind::kManual;
    app.receive_buffer = descriptor->receive_buffer;
    descriptor->kind = Descriptor::Kind::kStream;
    Endpoint to = guest_;
    if (const auto port = port_in(argument(call, 1))) to.port = *port;
    const bool local = names_loopback(argument(call, 1));
    if (local) to.address = to.address.is_v4() ? IpAddress(kLoopback4) : IpAddress(kLoopback6);
    descriptor->app =
        world_.apps().connect(local ? SimNet::kHereHost : Setting::kServerHost, to, app);
    descriptor->connecting = true;
    if (descriptor->nonblocking) return CallResult::failed("EINPROGRESS");
  }
  if (const auto end = terminal(*descriptor)) return *end;
  if (is_up(*descriptor)) {
    descriptor->connected = true;
    return CallResult::returned(0);
  }
  if (descriptor->nonblocking) return CallResult::failed("EALREADY");
  return CallResult::blocked();
}

CallResult FarEnd::shutdown(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  const int64_t how = number_of(call.arguments[1]).value_or(-1);
  if (how < kShutRead || how > kShutBoth) return CallResult::failed("EINVAL");
  if (connection(*descriptor) == nullptr) return CallResult::failed("ENOTCONN");
  if (how != kShutWrite) descriptor->reads_end = true;
  if (how == kShutRead) return CallResult::returned(0);
  descriptor->wrote_end = true;
  world_.apps().finish(descriptor->app);
  return CallResult::returned(0);
}

CallResult FarEnd::close(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  if (descriptor->kind == Descriptor::Kind::kListener) {
    world_.apps().stop_listening(descriptor->local);
  } else if (descriptor->kind == Descriptor::Kind::kDatagram) {
    world_.apps().unbind(descriptor->local);
  } else if (descriptor->kind == Descriptor::Kind::kStream) {
    if (descriptor->resets_on_close)
      world_.apps().abort(descriptor->app);
    else
      world_.apps().close(descriptor->app);
  }
  descriptors_.erase(call.arguments[0].number);
  for (auto& [fd, other] : descriptors_) other.watched.erase(call.arguments[0].number);
  return CallResult::returned(0);
}

}  // namespace dashi::script
