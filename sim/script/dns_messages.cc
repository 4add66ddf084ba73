// DNS (RFC 1035, EDNS of RFC 6891) in message lines, over UDP and in streams.
#include <algorithm>
#include <cctype>

#include "sim/guest_bytes.hh"
#include "sim/script/dns_names.hh"
#include "sim/script/message_forms.hh"
#include "sim/script/message_wire.hh"

namespace dashi::script {
namespace {

using guest::get16;
using guest::get32;
using guest::put16;
using guest::put32;

constexpr size_t kHeader = 12;
constexpr uint16_t kOpt = 41;
constexpr uint16_t kHeaderRcodes = 16;  // more need an OPT record

void put_name(std::vector<uint8_t>& to, const std::string& name) {
  for (size_t at = 0; at < name.size();) {
    const size_t dot = std::min(name.find('.', at), name.size());
    to.push_back(static_cast<uint8_t>(dot - at));
    to.insert(to.end(), name.begin() + static_cast<std::ptrdiff_t>(at),
              name.begin() + static_cast<std::ptrdiff_t>(dot));
    at = dot + 1;
  }
  to.push_back(0);
}

// Moves `at` past the name; nothing if there is none.
std::optional<std::string> read_name(Bytes bytes, size_t& at) {
  std::string name;
  size_t cursor = at;
  bool jumped = false;
  for (int steps = 0; steps < 128 && cursor < bytes.size(); ++steps) {
    const uint8_t length = bytes[cursor];
    if (length >= 0xc0) {
      if (cursor + 1 >= bytes.size()) return std::nullopt;
      if (!jumped) at = cursor + 2;
      jumped = true;
      cursor = get16(bytes, cursor) & 0x3fff;
      continue;
    }
    ++cursor;
    if (length == 0) {
      if (!jumped) at = cursor;
      return name;
    }
    if (cursor + length > bytes.size()) return std::nullopt;
    if (!name.empty()) name += '.';
    for (size_t i = 0; i < length; ++i) name += static_cast<char>(std::tolower(bytes[cursor + i]));
    cursor += length;
  }
  return std::nullopt;
}

struct Record {
  uint16_t type = 0;
  uint16_t klass = 0;
  uint32_t ttl = 0;
  Bytes data;
};

std::optional<Record> read_record(Bytes bytes, size_t& at) {
  if (!read_name(bytes, at) || at + 10 > bytes.size()) return std::nullopt;
  Record record{get16(bytes, at), get16(bytes, at + 2), get32(bytes, at + 4), {}};
  const size_t length = get16(bytes, at + 8);
  at += 10;
  if (at + length > bytes.size()) return std::nullopt;
  record.data = bytes.subspan(at, length);
  at += length;
  return record;
}

// An OPT record has the upper eight of its bits. RFC 6891 6.1.3.
void raise_rcode(MessageSpec& message, uint32_t upper) {
  for (MessageField& field : message.fields) {
    if (field.name != "rcode") continue;
    const uint32_t lower = dns_rcode(field.value).value_or(0) % kHeaderRcodes;
    field.value = name_of_dns_rcode(static_cast<uint16_t>(upper * kHeaderRcodes + lower));
  }
}

bool read_records(Bytes bytes, size_t at, MessageSpec& message) {
  std::string answers;
  const size_t count = get16(bytes, 6);
  for (size_t i = 0; i < count; ++i) {
    const std::optional<Record> record = read_record(bytes, at);
    if (!record) return false;
    if (i == 0) add(message, "ttl", record->ttl);
    std::string address;
    if (record->type == 1 && record->data.size() == 4)
      address = to_string(load<Ipv4Address>(record->data));
    else if (record->type == 28 && record->data.size() == 16)
      address = to_string(load<Ipv6Address>(record->data));
    if (!address.empty()) answers += (answers.empty() ? "" : ",") + address;
  }
  if (!answers.empty()) add(message, "answer", answers);
  const size_t more = size_t{get16(bytes, 8)} + get16(bytes, 10);
  for (size_t i = 0; i < more; ++i) {
    const std::optional<Record> record = read_record(bytes, at);
    if (!record) return false;
    if (record->type != kOpt) continue;
    add(message, "edns", record->klass);
    if (const uint32_t upper = record->ttl >> 24; upper != 0) raise_rcode(message, upper);
  }
  return true;
}

}  // namespace

std::vector<uint8_t> dns_payload(const MessageSpec& message) {
  const bool reply = message.verb == "reply";
  const std::string* rcode_text = find(message, "rcode");
  const uint32_t rcode = rcode_text == nullptr ? 0 : dns_rcode(*rcode_text).value_or(0);
  const bool edns = has(message, "edns") || rcode >= kHeaderRcodes;
  uint32_t flags =
      static_cast<uint32_t>(number_of(message, "opcode", 0) << 11) | rcode % kHeaderRcodes;
  if (reply) flags |= 0x8000;
  if (has(message, "aa")) flags |= 0x0400;
  if (has(message, "tc")) flags |= 0x0200;
  if (has(message, "rd")) flags |= 0x0100;
  if (has(message, "ra")) flags |= 0x0080;
  const std::string* answer = find(message, "answer");
  const std::vector<std::string> answers =
      answer == nullptr ? std::vector<std::string>{} : items_of(*answer);
  std::vector<uint8_t> bytes;
  put16(bytes, static_cast<uint16_t>(number_of(message, "id", 0)));
  put16(bytes, static_cast<uint16_t>(flags));
  put16(bytes, static_cast<uint16_t>(number_of(message, "questions", 1)));
  put16(bytes, static_cast<uint16_t>(answers.size()));
  put16(bytes, 0);
  put16(bytes, edns ? 1 : 0);
  if (const std::string* name = find(message, "name")) {
    put_name(bytes, *name);
    put16(bytes, dns_type(*find(message, "type")).value_or(0));
    put16(bytes, 1);
  }
  for (const std::string& item : answers) {
    const IpAddress address = parse_ip(item).value_or(IpAddress{});
    put16(bytes, 0xc000 | kHeader);
    put16(bytes, address.is_v4() ? 1 : 28);
    put16(bytes, 1);
    put32(bytes, static_cast<uint32_t>(number_of(message, "ttl", 60)));
    const Bytes data = address.bytes();
    put16(bytes, static_cast<uint16_t>(data.size()));
    bytes.insert(bytes.end(), data.begin(), data.end());
  }
  if (edns) {
    bytes.push_back(0);
    put16(bytes, kOpt);
    put16(bytes, static_cast<uint16_t>(number_of(message, "edns", 512)));
    put32(bytes, rcode / kHeaderRcodes << 24);
    put16(bytes, 0);
  }
  return bytes;
}

std::optional<MessageSpec> read_dns(Bytes bytes) {
  if (bytes.size() < kHeader) return std::nullopt;
  const uint16_t flags = get16(bytes, 2);
  MessageSpec message{"dns", (flags & 0x8000) != 0 ? "reply" : "query", {}};
  size_t at = kHeader;
  const uint16_t questions = get16(bytes, 4);
  if (questions == 0 && message.verb == "reply") message.verb = "error";
  if (questions == 1) {
    const std::optional<std::string> name = read_name(bytes, at);
    if (!name || at + 4 > bytes.size()) return std::nullopt;
    add(message, "type", name_of_dns_type(get16(bytes, at)));
    add(message, "name", *name);
    at += 4;
  }
  add(message, "id", get16(bytes, 0));
  add(message, "opcode", flags >> 11 & 15);
  add(message, "rcode", name_of_dns_rcode(flags % kHeaderRcodes));
  if ((flags & 0x0400) != 0) add(message, "aa", "");
  if ((flags & 0x0200) != 0) add(message, "tc", "");
  if ((flags & 0x0100) != 0) add(message, "rd", "");
  if ((flags & 0x0080) != 0) add(message, "ra", "");
  add(message, "questions", questions);
  add(message, "answers", get16(bytes, 6));
  add(message, "size", bytes.size());
  if (questions < 2 && !read_records(bytes, at, message)) return std::nullopt;
  return message;
}

std::vector<uint8_t> stream_of(const std::vector<MessageSpec>& messages) {
  std::vector<uint8_t> bytes;
  for (const MessageSpec& message : messages) {
    const std::vector<uint8_t> one = dns_payload(message);
    put16(bytes, static_cast<uint16_t>(one.size()));
    bytes.insert(bytes.end(), one.begin(), one.end());
  }
  return bytes;
}

std::optional<std::vector<MessageSpec>> messages_in_stream(Bytes bytes) {
  std::vector<MessageSpec> messages;
  while (!bytes.empty()) {
    if (bytes.size() < 2 || bytes.size() < size_t{2} + get16(bytes, 0)) return std::nullopt;
    const size_t length = get16(bytes, 0);
    const std::optional<MessageSpec> message = read_dns(bytes.subspan(2, length));
    if (!message) return std::nullopt;
    messages.push_back(*message);
    bytes = bytes.subspan(2 + length);
  }
  return messages;
}

}  // namespace dashi::script
