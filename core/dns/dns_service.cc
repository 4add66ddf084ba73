#include "core/dns/dns_service.hh"

#include <algorithm>

namespace dashi {

DnsService::DnsService(const DnsConfig& config, FlowContext& context, SipKey index_key)
    : records_(context.limits.dns_records),
      resolver_(config, context),
      answerer_(config, context, records_, resolver_),
      udp_(context, answerer_, resolver_, index_key, scratch_),
      tcp_(config, context, answerer_, resolver_, scratch_) {
  for (const DnsRecord& record : config.records) {
    DASHI_CHECK(records_.set(record.name, record.addresses).ok());
  }
}

const char* message_of(DnsRecordError error) {
  switch (error) {
    case DnsRecordError::kNameNotValid:
      return "the name of a DNS record is not a domain name";
    case DnsRecordError::kTooManyRecords:
      return "there are more DNS records than the limit allows";
  }
  return "unknown";
}

Result<Done, DnsRecordError> DnsService::validate(const DnsConfig& config, const Limits& limits) {
  StaticRecords trial(limits.dns_records);
  for (const DnsRecord& record : config.records) {
    const auto set = trial.set(record.name, record.addresses);
    if (!set) return set;
  }
  return Done{};
}

void DnsService::handle_packet(Instant now, const Packet& packet) {
  udp_.handle_packet(now, packet);
  deliver(now);
}

void DnsService::handle_socket(Instant now, const SocketEvent& event) {
  resolver_.handle_socket(now, event);
  deliver(now);
}

void DnsService::handle_timers(Instant now) {
  resolver_.handle_timers(now);
  deliver(now);
  tcp_.handle_timers(now);
}

void DnsService::flush(Instant now) {
  resolver_.flush(now);
  deliver(now);
  tcp_.flush(now);
  deliver(now);
}

Instant DnsService::next_deadline() const {
  if (tcp_.has_event()) return Instant{};
  return std::min(resolver_.next_deadline(), tcp_.next_deadline());
}

// Each completed query goes back to the front it came from.
void DnsService::deliver(Instant now) {
  for (uint32_t slot = resolver_.take_completed(); slot != Resolver::kNone;
       slot = resolver_.take_completed()) {
    if (resolver_.query(slot).origin.tcp) {
      tcp_.deliver(now, slot);
    } else {
      udp_.deliver(slot);
    }
  }
}

void DnsService::set_resolvers(Instant now, std::span<const Endpoint> resolvers) {
  resolver_.set_servers(now, resolvers);
  deliver(now);
}

Result<Done, DnsRecordError> DnsService::set_record(std::string_view name,
                                                    std::span<const IpAddress> addresses) {
  return records_.set(name, addresses);
}

bool DnsService::remove_record(std::string_view name) { return records_.remove(name); }

void DnsService::restart_link(Instant now) {
  (void)now;
  udp_.restart();
  tcp_.restart();
}

void DnsService::dump(std::string& to, Instant now) const {
  resolver_.dump(to, now);
  tcp_.dump(to, now);
}

void DnsService::save(ArchiveWriter& ar) const {
  records_.save(ar);
  resolver_.save(ar);
  tcp_.save(ar);
}

bool DnsService::restore(ArchiveReader& ar) {
  return records_.restore(ar) && resolver_.restore(ar) && udp_.index_restored() && tcp_.restore(ar);
}

}  // namespace dashi
