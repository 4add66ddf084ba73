// sendmsg, recvmsg and their like at the far end: several buffers are one.
#include <algorithm>
#include <utility>

#include "sim/script/constants.hh"
#include "sim/script/far_end.hh"

namespace dashi::script {
namespace {

constexpr int64_t kBytesMax = int64_t{64} << 20;
constexpr int64_t kTruncated = 0x20;          // MSG_TRUNC
constexpr int64_t kCloseOnExec = 0x40000000;  // MSG_CMSG_CLOEXEC: Linux says it back

// msg_iov(2)=[{..., 100}, {"text", 4}]: all its bytes. Nothing: it cannot be read so.
std::optional<std::vector<uint8_t>> bytes_of(const Value* vectors) {
  if (vectors == nullptr || vectors->kind != Value::Kind::kList) return std::nullopt;
  std::vector<uint8_t> bytes;
  for (const Value& one : vectors->items) {
    const bool sound = one.items.size() == 2 && one.items[1].kind == Value::Kind::kNumber;
    if (!sound || one.items[1].number < 0 || one.items[1].number > kBytesMax) return std::nullopt;
    const auto n = static_cast<size_t>(one.items[1].number);
    const std::string text = one.items[0].text.substr(0, n);
    bytes.insert(bytes.end(), text.begin(), text.end());
    bytes.resize(bytes.size() + n - text.size());
    if (bytes.size() > static_cast<size_t>(kBytesMax)) return std::nullopt;
  }
  return bytes;
}

// msg_iov(1)=[...]: its name has the count in it.
const Value* vectors_of(const Value& message) { return member(message, "msg_iov"); }

bool has_control(const Value& message) {
  const Value* control = member(message, "msg_control");
  return control != nullptr && !control->items.empty();
}

// Buffers are filled in their order: each is compared with what came into it.
std::string unlike_any(const Value& vectors, const std::string& got) {
  size_t at = 0;
  for (const Value& one : vectors.items) {
    if (at >= got.size()) return {};
    const auto n = static_cast<size_t>(one.items[1].number);
    std::string wrong = unlike(one.items[0], got.substr(at, n));
    if (!wrong.empty()) return wrong;
    at += n;
  }
  return {};
}

}  // namespace

CallResult FarEnd::sendmsg(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  if (has_control(call.arguments[1])) return CallResult::not_served("a control message");
  auto bytes = bytes_of(vectors_of(call.arguments[1]));
  if (!bytes) return CallResult::not_served("this form of sendmsg");
  if (auto no = refused_destination(*descriptor, member(call.arguments[1], "msg_name"))) return *no;
  return written(*descriptor, std::move(*bytes), number_of(call.arguments[2]).value_or(0));
}

CallResult FarEnd::recvmsg(const CallSpec& call) {
  if (has_control(call.arguments[1])) return CallResult::not_served("a control message");
  const Value& message = call.arguments[1];
  const int64_t flags = number_of(call.arguments[2]).value_or(0);
  Taken got;
  CallResult result = read_into(call, vectors_of(message), flags, got);
  const bool tells = result.kind == CallResult::Kind::kReturned && result.value >= 0;
  const Value* told = member(message, "msg_flags");
  const bool compared = told != nullptr && told->kind != Value::Kind::kEllipsis;
  const int64_t is = (flags & kCloseOnExec) | (got.cut ? kTruncated : 0);
  if (tells && result.mismatch.empty() && compared && number_of(*told) != is)
    result.mismatch = "msg_flags is " + names_of(is, "MSG_");
  return telling(got.from, std::move(result), member(message, "msg_name"), nullptr);
}

CallResult FarEnd::writev(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  auto bytes = bytes_of(&call.arguments[1]);
  if (!bytes) return CallResult::not_served("this form of writev");
  return written(*descriptor, std::move(*bytes), 0);
}

CallResult FarEnd::readv(const CallSpec& call) {
  Taken got;
  return read_into(call, &call.arguments[1], 0, got);
}

CallResult FarEnd::read_into(const CallSpec& call, const Value* vectors, int64_t flags,
                             Taken& got) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  const auto room = bytes_of(vectors);
  if (!room) return CallResult::not_served("this form of " + call.name);
  if (room->empty() && call.name == "readv") return CallResult::returned(0);
  CallResult result = received(*descriptor, room->size(), flags, got);
  if (result.kind == CallResult::Kind::kReturned && result.value > 0)
    result.mismatch = unlike_any(*vectors, got.bytes);
  return result;
}

// ioctl(4, SIOCINQ, [N]): bytes that could be read.
CallResult FarEnd::ioctl(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  if (!holds_word(call.arguments[1], "SIOCINQ") && !holds_word(call.arguments[1], "FIONREAD")) {
    return CallResult::not_served("this ioctl");
  }
  SimConnection* at = connection(*descriptor);
  const size_t waiting = at == nullptr ? 0 : at->read_by(dashi::Side::kThere).readable();
  CallResult result = CallResult::returned(0);
  if (call.arguments.size() < 3 || call.arguments[2].items.size() != 1) return result;
  if (call.arguments[2].items[0].number != static_cast<int64_t>(waiting)) {
    result.mismatch = std::to_string(waiting) + " bytes can be read";
  }
  return result;
}

}  // namespace dashi::script
