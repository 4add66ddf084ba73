// The resolver's ear: what comes back over UDP and TCP, and whether it is the answer.
#include <algorithm>

#include "core/dns/resolver.hh"

namespace dashi {
namespace {

constexpr size_t kLengthBytes = 2;

std::array<uint8_t, kLengthBytes> length_bytes(size_t length) {
  return {static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length)};
}

// The server is there, and cannot or will not answer.
bool declines(Bytes answer) {
  const DnsRcode rcode = rcode_of(dns_header(answer)->flags);
  return rcode == DnsRcode::kServerFailure || rcode == DnsRcode::kNotImplemented ||
         rcode == DnsRcode::kRefused;
}

}  // namespace

// RFC 5452 9.1, the server aside. Letters may come back in another case (RFC 4343); an error may
// come without its question, and so may a transfer's further messages (RFC 5936 2.2.1).
bool Resolver::matches(const UpstreamQuery& query, Bytes answer) const {
  const auto header = dns_header(answer);
  if (!header || header->id != query.id || (header->flags & kDnsFlagResponse) == 0 ||
      (header->flags & kDnsOpcodeMask) != 0) {
    return false;
  }
  if (header->questions == 0) {
    return query.delivered || rcode_of(header->flags) != DnsRcode::kNoError;
  }
  const auto question = parse_dns_question(answer);
  return header->questions == 1 && question && question->asks_the_same(query.question);
}

// A server that cannot or will not answer is passed over while there is one that was not asked yet.
bool Resolver::asks_elsewhere(const UpstreamQuery& query, Bytes answer) const {
  return declines(answer) && !query.delivered && query.tries < servers_.size();
}

// --- UDP ---

void Resolver::read_udp(Instant now, uint32_t slot) {
  for (int i = 0; i < kDatagramsATurn; ++i) {
    InDatagram in;
    in.buffer = scratch_.bytes();
    const auto received = queries_[slot].datagram->receive({&in, 1});
    if (!received) {
      if (received.error() != SocketError::kWouldBlock) try_next(now, slot);
      return;
    }
    const size_t size = std::min(in.size, scratch_.size());
    const size_t piece = in.segment_size == 0 ? std::max<size_t>(size, 1) : in.segment_size;
    for (size_t at = 0; at < std::max<size_t>(size, 1); at += piece) {
      const Bytes answer = Bytes(in.buffer).subspan(at, std::min(piece, size - at));
      if (take_datagram(now, slot, in.remote, answer)) return;
    }
  }
  ready_.set(slot);
}

// True: the try is over, one way or another.
bool Resolver::take_datagram(Instant now, uint32_t slot, const Endpoint& remote, Bytes answer) {
  UpstreamQuery& query = queries_[slot];
  if (remote != query.server || !matches(query, answer)) {
    context_.counters.increment(Counter::kDnsMismatched);
    return false;
  }
  if (declines(answer)) query.declined = true;
  if (asks_elsewhere(query, answer)) {
    try_next(now, slot);
    return true;
  }
  if (query.origin.tcp && (dns_header(answer)->flags & kDnsFlagTruncated) != 0) {
    // The guest wants it whole: the same server over TCP (RFC 7766 5).
    if (!connect_tcp(now, slot)) try_next(now, slot);
    return true;
  }
  remember_good(now, query);
  query.datagram.reset();
  const auto length = length_bytes(answer.size());
  answers_[slot].assign(length.begin(), length.end());
  answers_[slot].insert(answers_[slot].end(), answer.begin(), answer.end());
  set_dns_id(MutableBytes(answers_[slot]).subspan(kLengthBytes), query.guest_id);
  complete(slot, UpstreamQuery::State::kAnswered);
  return true;
}

// --- TCP ---

void Resolver::write_tcp(Instant now, uint32_t slot) {
  UpstreamQuery& query = queries_[slot];
  const Bytes message = messages_[slot];
  const auto length = length_bytes(message.size());
  while (query.written < kLengthBytes + message.size()) {
    const size_t of_length = std::min<size_t>(query.written, kLengthBytes);
    const std::array<Bytes, 2> parts{Bytes(length).subspan(of_length),
                                     message.subspan(query.written - of_length)};
    const auto taken = query.stream->write(parts);
    if (!taken && taken.error() != SocketError::kWouldBlock) return tcp_failed(now, slot);
    if (!taken || *taken == 0) return;
    query.written += static_cast<uint32_t>(*taken);
  }
}

// Reads up to the end of one message and no further: what follows stays in the socket.
void Resolver::read_tcp(Instant now, uint32_t slot) {
  UpstreamQuery& query = queries_[slot];
  std::vector<uint8_t>& got = answers_[slot];
  while (true) {
    const size_t whole =
        got.size() < kLengthBytes ? kLengthBytes : kLengthBytes + load<Be16>(Bytes(got));
    if (got.size() == whole) return take_framed(now, slot);
    const std::array<MutableBytes, 1> into{
        scratch_.bytes().first(std::min(whole - got.size(), scratch_.size()))};
    const auto peeked = query.stream->peek(0, into);
    if (!peeked) {
      if (peeked.error() != SocketError::kWouldBlock) tcp_failed(now, slot);
      return;
    }
    if (peeked->bytes == 0) return tcp_failed(now, slot);  // FIN in the middle
    got.insert(got.end(), into[0].begin(),
               into[0].begin() + static_cast<std::ptrdiff_t>(peeked->bytes));
    query.stream->consume(peeked->bytes);
    tcp_progress(now, slot);
  }
}

void Resolver::take_framed(Instant now, uint32_t slot) {
  UpstreamQuery& query = queries_[slot];
  const MutableBytes answer = MutableBytes(answers_[slot]).subspan(kLengthBytes);
  if (!matches(query, answer)) {
    context_.counters.increment(Counter::kDnsMismatched);
    return tcp_failed(now, slot);
  }
  if (declines(answer)) query.declined = true;
  if (asks_elsewhere(query, answer)) return try_next(now, slot);
  remember_good(now, query);
  set_dns_id(answer, query.guest_id);
  // All that came was consumed and the exchange is complete: FIN, not RST.
  if (!query.transfer) query.stream.reset();
  complete(slot, UpstreamQuery::State::kAnswered);
}

// The connection is of no more use. A transfer that has begun cannot go on elsewhere.
void Resolver::tcp_failed(Instant now, uint32_t slot) {
  UpstreamQuery& query = queries_[slot];
  if (!query.delivered) return try_next(now, slot);
  close_sockets(query);
  complete(slot, UpstreamQuery::State::kEnded);
}

}  // namespace dashi
