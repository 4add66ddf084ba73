// What goes through the far end's sockets: read, recv, write, send and their like.
#include <algorithm>
#include <utility>

#include "sim/script/constants.hh"
#include "sim/script/far_end.hh"

namespace dashi::script {
namespace {

constexpr int64_t kWriteMax = int64_t{64} << 20;

constexpr int64_t kPeek = 0x2;            // MSG_PEEK
constexpr int64_t kTruncate = 0x20;       // MSG_TRUNC
constexpr int64_t kDontWait = 0x40;       // MSG_DONTWAIT
constexpr int64_t kWaitAll = 0x100;       // MSG_WAITALL
constexpr int64_t kZeroCopy = 0x4000000;  // MSG_ZEROCOPY
// Without a meaning to a pipe of bytes: MSG_DONTROUTE, MSG_EOR, MSG_CONFIRM, MSG_NOSIGNAL, MSG_CMSG_CLOEXEC.
constexpr int64_t kIdle = 0x4 | 0x80 | 0x800 | 0x4000 | 0x40000000;

// A buffer at NULL.
bool is_no_buffer(const CallSpec& call) {
  return holds_word(call.arguments[1], "NULL") && call.arguments[2].number > 0;
}

int64_t flags_of(const CallSpec& call) {
  const bool given = call.arguments.size() > 3;
  return given ? number_of(call.arguments[3]).value_or(0) : 0;
}

std::optional<CallResult> refused(int64_t flags, int64_t served) {
  const int64_t rest = flags & ~(served | kIdle);
  if (rest == 0) return std::nullopt;
  return CallResult::not_served(names_of(rest, "MSG_"));
}

}  // namespace

// "text" as a buffer is what must be read; "text"... how that must begin.
std::string unlike(const Value& buffer, const std::string& got) {
  if (buffer.kind != Value::Kind::kString) return {};
  const bool right = buffer.begins ? got.rfind(buffer.text, 0) == 0 : got == buffer.text;
  return right ? "" : "read \"" + got + "\"";
}

// read(fd, buffer, n), recv(fd, buffer, n, flags).
CallResult FarEnd::read(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  if (is_no_buffer(call) && descriptor->kind == Descriptor::Kind::kStream)
    return CallResult::failed("EFAULT");
  const auto most = static_cast<size_t>(std::max<int64_t>(0, call.arguments[2].number));
  if (most == 0 && call.name == "read") return CallResult::returned(0);
  Taken got;
  CallResult result = received(*descriptor, most, flags_of(call), got);
  if (result.kind == CallResult::Kind::kReturned && result.value > 0)
    result.mismatch = unlike(call.arguments[1], got.bytes);
  return telling(got.from, std::move(result), argument(call, 4), argument(call, 5));
}

CallResult FarEnd::received(Descriptor& descriptor, size_t most, int64_t flags, Taken& taken) {
  const bool datagram = descriptor.kind == Descriptor::Kind::kDatagram;
  const int64_t served = kPeek | kDontWait | kWaitAll | (datagram ? kTruncate : 0);
  if (const auto no = refused(flags, served)) return *no;
  if (datagram) return received_datagram(descriptor, most, flags, taken);
  if (descriptor.kind != Descriptor::Kind::kStream) return CallResult::failed("ENOTCONN");
  std::string& got = taken.bytes;
  got = std::exchange(descriptor.gathered, {});
  if (SimConnection* at = connection(descriptor)) {
    StreamPipe& pipe = at->read_by(dashi::Side::kThere);
    std::vector<uint8_t> bytes(std::min(most - got.size(), pipe.readable()));
    const size_t n = pipe.peek(0, bytes);
    if (n == 0 && most == 0 && pipe.readable() > 0) return CallResult::returned(0);
    got.append(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    const bool peeks = (flags & kPeek) != 0;
    if (!peeks && n > 0)
      world_.net().consume(record(descriptor).connection, dashi::Side::kThere, n);
    const bool waits =
        (flags & kWaitAll) != 0 && (flags & kDontWait) == 0 && !descriptor.nonblocking;
    const bool ended = pipe.fin_arrived() || descriptor.reads_end;
    if (waits && !ended && !got.empty() && got.size() < most) {
      if (!peeks) descriptor.gathered = got;
      return CallResult::blocked();
    }
    if (got.empty()) {
      if (const auto end = terminal(descriptor)) return *end;
      if (ended) return CallResult::returned(0);
      return would_block(descriptor, flags);
    }
  }
  if (got.empty()) return terminal(descriptor).value_or(CallResult::returned(0));
  return CallResult::returned(static_cast<int64_t>(got.size()));
}

CallResult FarEnd::received_datagram(Descriptor& descriptor, size_t most, int64_t flags,
                                     Taken& got) {
  const auto& received = world_.apps().received_at(descriptor.local);
  if (descriptor.taken == received.size()) return would_block(descriptor, flags);
  const ReceivedDatagram& datagram = received[descriptor.taken];
  if ((flags & kPeek) == 0) ++descriptor.taken;
  descriptor.peer = datagram.from;
  got.from = datagram.from;
  const size_t size = datagram.bytes.size();
  const size_t n = std::min(most, size);  // what does not fit is lost
  got.cut = n < size;
  got.bytes.assign(datagram.bytes.begin(), datagram.bytes.begin() + static_cast<std::ptrdiff_t>(n));
  return CallResult::returned(static_cast<int64_t>((flags & kTruncate) != 0 ? size : n));
}

// write(fd, bytes, n): a string's bytes, else zeros.
CallResult FarEnd::write(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  if (is_no_buffer(call)) return CallResult::failed("EFAULT");
  const Value* to =
      call.name == "sendto" && call.arguments.size() > 4 ? &call.arguments[4] : nullptr;
  if (auto no = refused_destination(*descriptor, to)) return *no;
  const Value& content = call.arguments[1];
  const int64_t size = call.arguments[2].number;
  if (size < 0 || size > kWriteMax) return CallResult::misused("a write has at most 64 MiB");
  std::vector<uint8_t> bytes(static_cast<size_t>(size));
  if (content.kind == Value::Kind::kString) {
    std::copy_n(content.text.begin(), std::min(bytes.size(), content.text.size()), bytes.begin());
  }
  return written(*descriptor, std::move(bytes), flags_of(call));
}

CallResult FarEnd::written(Descriptor& descriptor, std::vector<uint8_t> bytes, int64_t flags) {
  if (const auto no = refused(flags, kDontWait | kZeroCopy)) return *no;
  if ((flags & kZeroCopy) != 0) descriptor.sent_zerocopy = true;
  if (descriptor.kind == Descriptor::Kind::kDatagram) {
    world_.apps().send_datagram(descriptor.local, descriptor.peer, bytes);
    return CallResult::returned(static_cast<int64_t>(bytes.size()));
  }
  if (descriptor.kind != Descriptor::Kind::kStream || descriptor.wrote_end)
    return CallResult::failed("EPIPE");
  const bool told = descriptor.told_of_reset;
  if (const auto end = terminal(descriptor)) return told ? CallResult::failed("EPIPE") : *end;
  if (connection(descriptor) == nullptr) return CallResult::failed("EPIPE");
  if (!is_up(descriptor)) return would_block(descriptor, flags);
  const Bytes from(bytes);
  const size_t n =
      world_.net().write(record(descriptor).connection, dashi::Side::kThere, {&from, 1});
  if (n == 0 && !bytes.empty()) return would_block(descriptor, flags);
  return CallResult::returned(static_cast<int64_t>(n));
}

CallResult FarEnd::would_block(const Descriptor& descriptor, int64_t flags) const {
  if (descriptor.nonblocking || (flags & kDontWait) != 0) return CallResult::failed("EAGAIN");
  return CallResult::blocked();
}

}  // namespace dashi::script
