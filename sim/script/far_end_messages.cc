// sendmsg, recvmsg and their like at the far end: several buffers are one.
#include <algorithm>

#include "sim/script/constants.hh"
#include "sim/script/far_end.hh"

namespace dashi::script {
namespace {

constexpr int64_t kBytesMax = int64_t{64} << 20;

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

// read(fd, ..., total) in the place of a call with several buffers.
CallSpec plain_read(const CallSpec& call, size_t total) {
  CallSpec read = call;
  read.name = "read";
  Value any;
  any.kind = Value::Kind::kEllipsis;
  Value count;
  count.kind = Value::Kind::kNumber;
  count.number = static_cast<int64_t>(total);
  Value flags = call.name == "recvmsg" ? call.arguments[2] : any;
  read.arguments = {call.arguments[0], any, count, flags};
  return read;
}

}  // namespace

CallResult FarEnd::sendmsg(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  for (const char* flag : {"MSG_MORE", "MSG_FASTOPEN"}) {
    if (holds_word(call.arguments[2], flag)) return CallResult::not_served(flag);
  }
  if (has_control(call.arguments[1])) return CallResult::not_served("a control message");
  auto bytes = bytes_of(vectors_of(call.arguments[1]));
  if (!bytes) return CallResult::not_served("this form of sendmsg");
  return written(*descriptor, std::move(*bytes));
}

CallResult FarEnd::recvmsg(const CallSpec& call) {
  if (find(call, 0) == nullptr) return CallResult::failed("EBADF");
  if (holds_word(call.arguments[2], "MSG_ERRQUEUE")) return CallResult::not_served("MSG_ERRQUEUE");
  if (has_control(call.arguments[1])) return CallResult::not_served("a control message");
  const auto bytes = bytes_of(vectors_of(call.arguments[1]));
  if (!bytes) return CallResult::not_served("this form of recvmsg");
  return read(plain_read(call, bytes->size()));
}

CallResult FarEnd::writev(const CallSpec& call) {
  Descriptor* descriptor = find(call, 0);
  if (descriptor == nullptr) return CallResult::failed("EBADF");
  auto bytes = bytes_of(&call.arguments[1]);
  if (!bytes) return CallResult::not_served("this form of writev");
  return written(*descriptor, std::move(*bytes));
}

CallResult FarEnd::readv(const CallSpec& call) {
  if (find(call, 0) == nullptr) return CallResult::failed("EBADF");
  const auto bytes = bytes_of(&call.arguments[1]);
  if (!bytes) return CallResult::not_served("this form of readv");
  return read(plain_read(call, bytes->size()));
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
