// What becomes of one query, whichever way it came: refused, answered from the gateway's own names,
// or passed on to the resolvers. Knows messages, not sockets, datagrams or streams.
#pragma once

#include "core/dns/resolver.hh"
#include "core/dns/static_records.hh"

namespace dashi {

class Answerer {
 public:
  Answerer(const DnsConfig& config, FlowContext& context, const StaticRecords& records,
           Resolver& resolver)
      : config_(config), context_(context), records_(records), resolver_(resolver) {}

  struct Asked {
    enum class Outcome : uint8_t {
      kReply,      // the first `bytes` of the reply buffer
      kPending,    // the resolver's query in `slot`; it may be complete already
      kMalformed,  // not even a reply can be made
    };
    Outcome outcome = Outcome::kMalformed;
    size_t bytes = 0;
    uint32_t slot = Resolver::kNone;
  };

  // `reply` bounds an answer of our own: what does not fit is cut, with TC.
  Asked ask(Instant now, Bytes query, const DnsOrigin& origin, MutableBytes reply);
  // SERVFAIL for `query`, counted; gives its bytes.
  size_t fail(MutableBytes reply, Bytes query);

 private:
  const DnsConfig& config_;
  FlowContext& context_;
  const StaticRecords& records_;
  Resolver& resolver_;
};

}  // namespace dashi
