#include "core/nat/config.hh"

#include "core/dns/dns_service.hh"

namespace dashi {

Result<Done, const char*> validate(const Config& config) {
  const auto topology = validate(config.topology);
  if (!topology) return message_of(topology.error());
  const auto gateway = validate(config.gateway);
  if (!gateway) return message_of(gateway.error());
  const auto dns = DnsService::validate(config.dns, config.limits);
  if (!dns) return message_of(dns.error());
  return Done{};
}

}  // namespace dashi
