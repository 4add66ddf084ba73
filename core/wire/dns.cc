#include "core/wire/dns.hh"

#include <algorithm>

namespace dashi {
namespace {

constexpr uint8_t kPointerBits = 0xc0;
constexpr int kPointersMax = 127;         // as many as a name can have labels
constexpr size_t kRecordFixedBytes = 10;  // TYPE, CLASS, TTL, RDLENGTH
constexpr uint16_t kOurUdpBytes = 1232;   // what our own OPT records announce: fits any MTU
constexpr uint16_t kPointerToQuestion = 0xc000 | kDnsHeaderBytes;

uint16_t read_u16(Bytes message, size_t offset) { return load<Be16>(message.subspan(offset)); }

uint8_t lowered(uint8_t c) { return c >= 'A' && c <= 'Z' ? static_cast<uint8_t>(c + 32) : c; }

bool printable(uint8_t c) { return c > 0x20 && c < 0x7f && c != '.' && c != '\\'; }

// Writes forward into a buffer and remembers whether all of it fitted.
class Writer {
 public:
  explicit Writer(MutableBytes to) : to_(to) {}
  void put(Bytes bytes) {
    if (bytes.size() > to_.size() - size_) {
      ok_ = false;
      return;
    }
    copy_bytes(to_.subspan(size_), bytes);
    size_ += bytes.size();
  }
  void u16(uint16_t v) {
    const std::array<uint8_t, 2> raw{static_cast<uint8_t>(v >> 8), static_cast<uint8_t>(v)};
    put(raw);
  }
  void u32(uint32_t v) {
    u16(static_cast<uint16_t>(v >> 16));
    u16(static_cast<uint16_t>(v));
  }
  size_t room() const { return to_.size() - size_; }
  // The bytes written, or 0 if something did not fit.
  size_t finish(const DnsHeader& header) {
    if (!ok_ || size_ < kDnsHeaderBytes) return 0;
    const std::array<Be16, 6> raw{header.id,      header.flags,       header.questions,
                                  header.answers, header.authorities, header.additionals};
    store(to_, raw);
    return size_;
  }

 private:
  MutableBytes to_;
  size_t size_ = 0;
  bool ok_ = true;
};

// A reply's header: what the asker said, turned round (RFC 1035 4.1.1).
DnsHeader reply_header(const DnsHeader& query, DnsRcode rcode) {
  DnsHeader header;
  header.id = query.id;
  const uint16_t kept = kDnsOpcodeMask | kDnsFlagRecursionDesired | kDnsFlagCheckingDisabled;
  header.flags =
      static_cast<uint16_t>((query.flags & kept) | kDnsFlagResponse | kDnsFlagRecursionAvailable |
                            (static_cast<uint16_t>(rcode) & kDnsRcodeMask));
  return header;
}

constexpr size_t kOptBytes = 11;

// An OPT record without options (RFC 6891 6.1.2, 6.1.3; DO is copied, RFC 3225 3).
void put_opt(Writer& to, DnsRcode rcode, bool dnssec_ok) {
  const std::array<uint8_t, 1> root{0};
  to.put(root);
  to.u16(kDnsTypeOpt);
  to.u16(kOurUdpBytes);
  to.u32(static_cast<uint32_t>(static_cast<uint8_t>(rcode) >> 4) << 24 |
         (dnssec_ok ? 0x8000U : 0U));
  to.u16(0);
}

struct Record {
  uint16_t type = 0;
  uint16_t dns_class = 0;
  uint32_t ttl = 0;
  size_t end = 0;
};

// The offset past the name, which is not looked at: a row of records costs no more than its bytes.
std::optional<size_t> skip_name(Bytes message, size_t offset) {
  while (offset < message.size()) {
    const uint8_t length = message[offset];
    if (length == 0) return offset + 1;
    if ((length & kPointerBits) == kPointerBits) {
      return message.size() - offset < 2 ? std::nullopt : std::optional(offset + 2);
    }
    if ((length & kPointerBits) != 0) return std::nullopt;
    offset += size_t{1} + length;
  }
  return std::nullopt;
}

std::optional<Record> parse_record(Bytes message, size_t offset) {
  const auto fixed = skip_name(message, offset);
  if (!fixed || message.size() - *fixed < kRecordFixedBytes) return std::nullopt;
  const size_t length = read_u16(message, *fixed + 8);
  const size_t data = *fixed + kRecordFixedBytes;
  if (message.size() - data < length) return std::nullopt;
  return Record{read_u16(message, *fixed), read_u16(message, *fixed + 2),
                load<Be32>(message.subspan(*fixed + 4)), data + length};
}

// The offset past all questions.
std::optional<size_t> skip_questions(Bytes message, const DnsHeader& header) {
  size_t offset = kDnsHeaderBytes;
  for (uint32_t i = 0; i < header.questions; ++i) {
    const auto end = skip_name(message, offset);
    if (!end || message.size() - *end < 4) return std::nullopt;
    offset = *end + 4;
  }
  return offset;
}

}  // namespace

bool operator==(const DnsName& a, const DnsName& b) {
  return a.size == b.size && std::equal(a.bytes.begin(), a.bytes.begin() + a.size, b.bytes.begin());
}

std::optional<DnsName> dns_name_from_text(std::string_view text) {
  if (!text.empty() && text.back() == '.') text.remove_suffix(1);
  if (text.empty() || text.size() > 253) return std::nullopt;
  DnsName name;
  while (true) {
    const size_t length = std::min(text.find('.'), text.size());
    if (length == 0 || length > 63) return std::nullopt;
    name.bytes[name.size++] = static_cast<uint8_t>(length);
    for (const char c : text.substr(0, length)) {
      if (!printable(static_cast<uint8_t>(c))) return std::nullopt;
      name.bytes[name.size++] = lowered(static_cast<uint8_t>(c));
    }
    if (length == text.size()) break;
    text.remove_prefix(length + 1);
  }
  name.bytes[name.size++] = 0;
  return name;
}

std::string to_string(const DnsName& name) {
  std::string text;
  size_t at = 0;
  while (at < name.size && name.bytes[at] != 0) {
    if (at != 0) text += '.';
    const size_t end = std::min<size_t>(at + 1 + name.bytes[at], name.size);
    for (++at; at < end; ++at) {
      const uint8_t c = name.bytes[at];
      if (printable(c)) {
        text += static_cast<char>(c);
        continue;
      }
      text += '\\';
      for (const int unit : {100, 10, 1}) text += static_cast<char>('0' + c / unit % 10);
    }
  }
  return text.empty() ? "." : text;
}

std::optional<DnsHeader> dns_header(Bytes message) {
  if (message.size() < kDnsHeaderBytes) return std::nullopt;
  const auto raw = load<std::array<Be16, 6>>(message);
  return DnsHeader{raw[0], raw[1], raw[2], raw[3], raw[4], raw[5]};
}

std::optional<size_t> parse_dns_name(Bytes message, size_t offset, DnsName& name) {
  name.size = 0;
  std::optional<size_t> end;  // set once a pointer was followed
  int pointers = 0;
  size_t start = offset;  // of the run of labels being read: a pointer must lead before it
  while (offset < message.size()) {
    const uint8_t length = message[offset];
    if ((length & kPointerBits) == kPointerBits) {
      if (message.size() - offset < 2) return std::nullopt;
      const size_t target = read_u16(message, offset) & 0x3fff;
      if (!end) end = offset + 2;
      // Strictly backwards, and past the header: so it ends (RFC 1035 4.1.4 "a prior occurrence").
      if (target >= start || target < kDnsHeaderBytes || ++pointers > kPointersMax) {
        return std::nullopt;
      }
      start = offset = target;
      continue;
    }
    if ((length & kPointerBits) != 0) return std::nullopt;
    if (message.size() - offset < size_t{1} + length) return std::nullopt;
    if (name.bytes.size() - name.size < size_t{1} + length) return std::nullopt;
    name.bytes[name.size++] = length;
    if (length == 0) return end.value_or(offset + 1);
    for (size_t i = 1; i <= length; ++i) name.bytes[name.size++] = lowered(message[offset + i]);
    offset += size_t{1} + length;
  }
  return std::nullopt;
}

std::optional<DnsQuestion> parse_dns_question(Bytes message) {
  const auto header = dns_header(message);
  if (!header || header->questions == 0) return std::nullopt;
  DnsQuestion question;
  const auto end = parse_dns_name(message, kDnsHeaderBytes, question.name);
  if (!end || message.size() - *end < 4) return std::nullopt;
  question.type = read_u16(message, *end);
  question.dns_class = read_u16(message, *end + 2);
  question.end = *end + 4;
  return question;
}

std::optional<DnsEdns> find_dns_edns(Bytes message) {
  const auto header = dns_header(message);
  if (!header || header->additionals == 0) return std::nullopt;
  auto offset = skip_questions(message, *header);
  const uint32_t before = uint32_t{header->answers} + header->authorities;
  const uint32_t all = before + header->additionals;
  for (uint32_t i = 0; offset && i < all; ++i) {
    const auto record = parse_record(message, *offset);
    if (!record) return std::nullopt;
    // RFC 6891 6.1.2: its name is the root.
    if (i >= before && record->type == kDnsTypeOpt && message[*offset] == 0) {
      return DnsEdns{record->dns_class, static_cast<uint8_t>(record->ttl >> 16),
                     (record->ttl & 0x8000) != 0, message.subspan(*offset, record->end - *offset)};
    }
    offset = record->end;
  }
  return std::nullopt;
}

size_t dns_udp_reply_bytes(Bytes query) {
  const auto edns = find_dns_edns(query);
  return edns ? std::max<size_t>(edns->udp_bytes, kDnsPlainUdpBytes) : kDnsPlainUdpBytes;
}

size_t build_dns_error(MutableBytes to, Bytes query, DnsRcode rcode) {
  const auto asked = dns_header(query);
  if (!asked) return 0;
  DnsHeader header = reply_header(*asked, rcode);
  Writer writer(to);
  writer.put(query.first(kDnsHeaderBytes));
  const bool bare = rcode == DnsRcode::kFormatError || rcode == DnsRcode::kNotImplemented;
  const auto question = bare ? std::nullopt : parse_dns_question(query);
  if (question && asked->questions == 1) {
    header.questions = 1;
    writer.put(query.subspan(kDnsHeaderBytes, question->end - kDnsHeaderBytes));
    if (const auto edns = find_dns_edns(query); edns && writer.room() >= kOptBytes) {
      header.additionals = 1;
      put_opt(writer, rcode, edns->dnssec_ok);
    }
  }
  return writer.finish(header);
}

size_t build_dns_static_answer(MutableBytes to, Bytes query, const DnsQuestion& question,
                               std::span<const IpAddress> addresses, uint32_t ttl_seconds) {
  const auto asked = dns_header(query);
  if (!asked) return 0;
  const auto edns = find_dns_edns(query);
  if (edns && edns->version != 0) return build_dns_error(to, query, DnsRcode::kBadVersion);
  DnsHeader header = reply_header(*asked, DnsRcode::kNoError);
  header.questions = 1;
  header.flags = static_cast<uint16_t>(header.flags | kDnsFlagAuthoritative);
  Writer writer(to);
  writer.put(query.first(question.end));
  const size_t kept = edns ? kOptBytes : 0;
  uint16_t count = 0;
  for (const IpAddress& address : addresses) {
    const uint16_t type = address.is_v4() ? kDnsTypeA : kDnsTypeAaaa;
    if (question.type != type && question.type != kDnsTypeAny) continue;
    const Bytes data = address.bytes();
    if (writer.room() < 2 + kRecordFixedBytes + data.size() + kept) {
      header.flags = static_cast<uint16_t>(header.flags | kDnsFlagTruncated);
      break;
    }
    writer.u16(kPointerToQuestion);
    writer.u16(type);
    writer.u16(kDnsClassIn);
    writer.u32(ttl_seconds);
    writer.u16(static_cast<uint16_t>(data.size()));
    writer.put(data);
    ++count;
  }
  header.answers = count;
  if (edns) {
    header.additionals = 1;
    put_opt(writer, DnsRcode::kNoError, edns->dnssec_ok);
  }
  return writer.finish(header);
}

size_t build_dns_truncated(MutableBytes to, Bytes answer) {
  const auto full = dns_header(answer);
  if (!full) return 0;
  DnsHeader header = *full;
  header.flags = static_cast<uint16_t>(header.flags | kDnsFlagTruncated);
  header.questions = 0;
  header.answers = 0;
  header.authorities = 0;
  header.additionals = 0;
  Writer writer(to);
  writer.put(answer.first(kDnsHeaderBytes));
  const auto question = parse_dns_question(answer);
  if (question && full->questions == 1) {
    header.questions = 1;
    writer.put(answer.subspan(kDnsHeaderBytes, question->end - kDnsHeaderBytes));
  }
  if (const auto edns = find_dns_edns(answer); edns && writer.room() >= edns->record.size()) {
    header.additionals = 1;
    writer.put(edns->record);
  }
  return writer.finish(header);
}

}  // namespace dashi
