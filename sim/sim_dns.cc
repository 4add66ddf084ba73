#include "sim/sim_dns.hh"

#include <cctype>

#include "sim/guest_bytes.hh"

namespace dashi {

namespace {

using guest::get16;
using guest::put16;

constexpr uint16_t kTypeA = 1;
constexpr uint16_t kTypeTxt = 16;
constexpr uint16_t kTypeAaaa = 28;
constexpr uint16_t kTypeOpt = 41;
constexpr size_t kHeader = 12;
constexpr uint32_t kTtl = 300;  // seconds

// Reads a name at `at`, moving it past the name; compression pointers are followed once each.
std::optional<std::string> read_name(Bytes message, size_t& at) {
  std::string name;
  size_t cursor = at;
  bool jumped = false;
  for (int steps = 0; steps < 128; ++steps) {
    if (cursor >= message.size()) return std::nullopt;
    const uint8_t length = message[cursor];
    if ((length & 0xc0) == 0xc0) {
      if (cursor + 1 >= message.size()) return std::nullopt;
      if (!jumped) at = cursor + 2;
      jumped = true;
      cursor = get16(message, cursor) & 0x3fff;
      continue;
    }
    ++cursor;
    if (length == 0) {
      if (!jumped) at = cursor;
      return name;
    }
    if (length > 63 || cursor + length > message.size()) return std::nullopt;
    if (!name.empty()) name += '.';
    for (size_t i = 0; i < length; ++i) {
      name += static_cast<char>(std::tolower(message[cursor + i]));
    }
    cursor += length;
  }
  return std::nullopt;
}

void put_record(std::vector<uint8_t>& to, uint16_t type, Bytes data) {
  put16(to, 0xc00c);  // the question's name
  put16(to, type);
  put16(to, 1);
  put16(to, 0);
  put16(to, static_cast<uint16_t>(kTtl));
  put16(to, static_cast<uint16_t>(data.size()));
  to.insert(to.end(), data.begin(), data.end());
}

// Appends the entry's records of the type; gives how many.
uint16_t put_answers(std::vector<uint8_t>& to, const DnsTableEntry& entry, uint16_t type) {
  uint16_t count = 0;
  for (const IpAddress& address : entry.addresses) {
    if (type != (address.is_v4() ? kTypeA : kTypeAaaa)) continue;
    put_record(to, type, address.bytes());
    ++count;
  }
  if (type == kTypeTxt && !entry.text.empty()) {
    std::vector<uint8_t> data{static_cast<uint8_t>(entry.text.size())};
    data.insert(data.end(), entry.text.begin(), entry.text.end());
    put_record(to, type, data);
    ++count;
  }
  return count;
}

// What the asker takes over UDP: its EDNS size (RFC 6891 6.2.3), else 512.
size_t udp_room(Bytes query, size_t after_question) {
  if (get16(query, 10) == 0 || after_question + 5 > query.size()) return 512;
  if (query[after_question] != 0 || get16(query, after_question + 1) != kTypeOpt) return 512;
  return std::max<size_t>(512, get16(query, after_question + 3));
}

}  // namespace

std::vector<uint8_t> answer_dns(Bytes query, const std::vector<DnsTableEntry>& table,
                                DnsFault fault, bool over_tcp) {
  if (query.size() < kHeader || (query[2] & 0x80) != 0 || get16(query, 4) != 1) return {};
  if (fault == DnsFault::kSilent) return {};
  size_t at = kHeader;
  const auto name = read_name(query, at);
  if (!name.has_value() || at + 4 > query.size()) return {};
  const uint16_t type = get16(query, at);
  at += 4;
  std::vector<uint8_t> answer(query.begin(), query.begin() + static_cast<std::ptrdiff_t>(at));
  answer[2] = static_cast<uint8_t>(0x80 | (query[2] & 0x79));  // response, opcode and RD kept
  answer[3] = 0x80;                                            // recursion available
  for (size_t i = 6; i < kHeader; ++i) answer[i] = 0;
  if (fault == DnsFault::kWrongId) answer[1] ^= 0x55;
  if (fault == DnsFault::kWrongQuestion) answer[kHeader + 1] ^= 0x01;
  if (fault == DnsFault::kServfail) {
    answer[3] |= 2;
    return answer;
  }
  if (fault == DnsFault::kTruncated && !over_tcp) {
    answer[2] |= 0x02;
    return answer;
  }
  const DnsTableEntry* found = nullptr;
  for (const DnsTableEntry& entry : table) {
    if (entry.name == *name) found = &entry;
  }
  if (found == nullptr) {
    answer[3] |= 3;
    return answer;
  }
  const size_t bare = answer.size();
  const uint16_t count = put_answers(answer, *found, type);
  if (!over_tcp && answer.size() > udp_room(query, at)) {
    answer.resize(bare);
    answer[2] |= 0x02;
    return answer;
  }
  answer[6] = static_cast<uint8_t>(count >> 8);
  answer[7] = static_cast<uint8_t>(count);
  return answer;
}

std::vector<uint8_t> make_dns_query(uint16_t id, const std::string& name, uint16_t type) {
  std::vector<uint8_t> query;
  put16(query, id);
  put16(query, 0x0100);  // recursion desired
  put16(query, 1);
  for (int i = 0; i < 3; ++i) put16(query, 0);
  for (size_t start = 0; start < name.size();) {
    size_t dot = name.find('.', start);
    if (dot == std::string::npos) dot = name.size();
    query.push_back(static_cast<uint8_t>(dot - start));
    for (size_t i = start; i < dot; ++i) query.push_back(static_cast<uint8_t>(name[i]));
    start = dot + 1;
  }
  query.push_back(0);
  put16(query, type);
  put16(query, 1);
  return query;
}

std::optional<DnsAnswer> parse_dns_answer(Bytes message) {
  if (message.size() < kHeader || (message[2] & 0x80) == 0) return std::nullopt;
  DnsAnswer answer;
  answer.id = get16(message, 0);
  answer.rcode = message[3] & 0x0f;
  answer.truncated = (message[2] & 0x02) != 0;
  size_t at = kHeader;
  for (int question = 0; question < get16(message, 4); ++question) {
    if (!read_name(message, at).has_value() || at + 4 > message.size()) return std::nullopt;
    at += 4;
  }
  for (int record = 0; record < get16(message, 6); ++record) {
    if (!read_name(message, at).has_value() || at + 10 > message.size()) return std::nullopt;
    const uint16_t type = get16(message, at);
    const size_t length = get16(message, at + 8);
    at += 10;
    if (at + length > message.size()) return std::nullopt;
    const Bytes data = message.subspan(at, length);
    if (type == kTypeA && length == 4) answer.addresses.push_back(load<Ipv4Address>(data));
    if (type == kTypeAaaa && length == 16) answer.addresses.push_back(load<Ipv6Address>(data));
    if (type == kTypeTxt && length != 0) {
      answer.texts.emplace_back(data.begin() + 1, data.end());
    }
    at += length;
  }
  return answer;
}

}  // namespace dashi
