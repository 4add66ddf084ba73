#include "core/dns/answerer.hh"

namespace dashi {

Answerer::Asked Answerer::ask(Instant now, Bytes query, const DnsOrigin& origin,
                              MutableBytes reply) {
  using Outcome = Asked::Outcome;
  const auto header = dns_header(query);
  // Never an answer to an answer: two servers could keep each other busy.
  if (!header || (header->flags & kDnsFlagResponse) != 0) return {};
  if ((header->flags & kDnsOpcodeMask) != 0) {
    return {Outcome::kReply, build_dns_error(reply, query, DnsRcode::kNotImplemented)};
  }
  const auto question = parse_dns_question(query);
  if (!question || header->questions != 1) {  // RFC 9619 4: one question, no more
    return {Outcome::kReply, build_dns_error(reply, query, DnsRcode::kFormatError)};
  }
  const bool internet = question->dns_class == kDnsClassIn || question->dns_class == kDnsClassAny;
  if (const auto* addresses = internet ? records_.find(question->name) : nullptr) {
    context_.counters.increment(Counter::kDnsStaticAnswers);
    const size_t bytes =
        build_dns_static_answer(reply, query, *question, *addresses, config_.record_ttl);
    if (bytes != 0 && (dns_header(reply)->flags & kDnsFlagTruncated) != 0) {
      context_.counters.increment(Counter::kDnsTruncated);
    }
    return {Outcome::kReply, bytes};
  }
  if (resolver_.full()) context_.counters.increment(Counter::kDnsLimit);
  if (resolver_.full() || !resolver_.has_servers()) {
    return {Outcome::kReply, fail(reply, query)};
  }
  return {Outcome::kPending, 0, resolver_.start(now, query, *question, origin)};
}

size_t Answerer::fail(MutableBytes reply, Bytes query) {
  context_.counters.increment(Counter::kDnsServfails);
  return build_dns_error(reply, query, DnsRcode::kServerFailure);
}

}  // namespace dashi
