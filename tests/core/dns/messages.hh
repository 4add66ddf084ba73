// DNS messages for tests, made byte by byte and without the code under test's writers.
#pragma once

#include <string>
#include <string_view>

#include "tests/support/guest_frames.hh"

namespace dashi::test {

inline ByteVector wire_name(std::string_view name) {
  ByteVector out;
  while (!name.empty()) {
    const size_t length = std::min(name.find('.'), name.size());
    out.push_back(static_cast<uint8_t>(length));
    for (const char c : name.substr(0, length)) out.push_back(static_cast<uint8_t>(c));
    name.remove_prefix(std::min(length + 1, name.size()));
  }
  out.push_back(0);
  return out;
}

inline ByteVector dns_message(uint16_t id, uint16_t flags, size_t questions, size_t answers,
                              size_t authorities, size_t additionals) {
  ByteVector out;
  for (const size_t v : {size_t{id}, size_t{flags}, questions, answers, authorities, additionals}) {
    append_u16(out, v);
  }
  return out;
}

inline ByteVector dns_question(std::string_view name, uint16_t type) {
  ByteVector out = wire_name(name);
  append_u16(out, type);
  append_u16(out, 1);
  return out;
}

inline ByteVector opt_record(uint16_t udp_bytes, uint32_t ttl, size_t options_bytes) {
  ByteVector out = {0, 0, 41};
  append_u16(out, udp_bytes);
  append_u32(out, ttl);
  append_u16(out, options_bytes);
  append(out, ByteVector(options_bytes, 0));
  return out;
}

// A recursive query for type A, class IN.
inline ByteVector dns_query(uint16_t id, std::string_view name, uint16_t type) {
  ByteVector out = dns_message(id, 0x0100, 1, 0, 0, 0);
  append(out, dns_question(name, type));
  return out;
}

inline ByteVector dns_query_edns(uint16_t id, std::string_view name, uint16_t type,
                                 uint16_t udp_bytes) {
  ByteVector out = dns_message(id, 0x0100, 1, 0, 0, 1);
  append(out, dns_question(name, type));
  append(out, opt_record(udp_bytes, 0, 0));
  return out;
}

// A resolver's reply to `query` as it was received: its id and question, one TXT-like record of
// `data_bytes` bytes that names `marker`.
inline ByteVector dns_reply(const ByteVector& query, uint16_t flags, size_t data_bytes) {
  ByteVector out = dns_message(0, static_cast<uint16_t>(0x8180 | flags), 1, 1, 0, 0);
  out[0] = query[0];
  out[1] = query[1];
  size_t end = 12;
  while (query[end] != 0) end += size_t{1} + query[end];
  append(out, Bytes(query).subspan(12, end + 5 - 12));
  append_u16(out, 0xc00c);
  append_u16(out, 16);
  append_u16(out, 1);
  append_u32(out, 30);
  append_u16(out, data_bytes);
  append(out, pattern(data_bytes));
  return out;
}

inline uint16_t u16_at(Bytes message, size_t at) {
  return static_cast<uint16_t>(message[at] << 8 | message[at + 1]);
}
inline uint16_t dns_id(Bytes message) { return u16_at(message, 0); }
inline uint16_t dns_flags(Bytes message) { return u16_at(message, 2); }
inline int dns_rcode(Bytes message) { return dns_flags(message) & 15; }
inline uint16_t dns_answers(Bytes message) { return u16_at(message, 6); }

inline ByteVector framed(const ByteVector& message) {
  ByteVector out;
  append_u16(out, message.size());
  append(out, message);
  return out;
}

}  // namespace dashi::test
