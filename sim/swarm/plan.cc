#include "sim/swarm/plan.hh"

#include "sim/sim_dns.hh"

namespace dashi {

namespace {

constexpr uint16_t kDnsId = 0x5344;

AppSpec with_pattern(const AppSpec& app, size_t index) {
  AppSpec spec = app;
  spec.pattern = index + 1;
  return spec;
}

bool writes_pattern(AppKind kind) {
  return kind == AppKind::kSource || kind == AppKind::kEchoClient;
}

// A length and a query for the one name every net of a swarm has.
std::string framed_query() {
  const std::vector<uint8_t> query = make_dns_query(kDnsId, "server.example", 1);
  std::string framed{static_cast<char>(query.size() >> 8), static_cast<char>(query.size() & 0xff)};
  framed.append(query.begin(), query.end());
  return framed;
}

}  // namespace

NetSpec small_net() {
  NetSpec net = standard_net();
  for (HostSpec& host : net.hosts) host.path.rate_bps = 0;
  return net;
}

Limits small_limits() {
  Limits limits;
  limits.tcp_connections = 64;
  limits.tcp_connects_pending = 32;
  limits.tcp_accepts_pending = 32;
  limits.tcp_time_wait = 64;
  limits.tcp_forwards = 16;
  limits.tcp_failures_remembered = 32;
  limits.tcp_uplink_bytes_total = size_t{8} << 20;
  limits.udp_endpoints = 32;
  limits.udp_contacts = 128;
  limits.udp_forwards = 4;
  limits.echo_ids = 16;
  limits.dns_queries = 16;
  limits.dns_tcp_connections = 8;
  limits.dns_records = 16;
  return limits;
}

Port service_port(size_t index) { return Port{static_cast<uint16_t>(1000 + index)}; }
Port forwarded_port(size_t index) { return Port{static_cast<uint16_t>(2000 + index)}; }
Port guest_port(size_t index) { return Port{static_cast<uint16_t>(3000 + index)}; }

AppSpec guest_app(const Plan& plan, size_t index) {
  const Exchange& exchange = plan.exchanges[index];
  AppSpec spec = with_pattern(exchange.guest, index);
  if (exchange.way == Exchange::Way::kDns) {
    spec.kind = AppKind::kBanner;
    spec.text = framed_query();
    return spec;
  }
  spec.checks_pattern = writes_pattern(exchange.far.kind);
  return spec;
}

AppSpec far_app(const Plan& plan, size_t index) {
  const Exchange& exchange = plan.exchanges[index];
  AppSpec spec = with_pattern(exchange.far, index);
  spec.checks_pattern = writes_pattern(exchange.guest.kind);
  return spec;
}

WorldConfig world_for(const Plan& plan) {
  WorldConfig config = plan.config;
  for (size_t index = 0; index < plan.exchanges.size(); ++index) {
    const Exchange& exchange = plan.exchanges[index];
    if (exchange.way == Exchange::Way::kOut) {
      ServiceSpec service;
      service.port = service_port(index);
      service.app = far_app(plan, index);
      config.net.hosts[exchange.host - 1].services.push_back(service);
    }
    if (exchange.way == Exchange::Way::kIn) {
      Forward forward;
      for (const IpAddress& address : config.net.here.addresses) {
        if (address.family() == exchange.family) forward.host = {address, forwarded_port(index)};
      }
      forward.guest_port = guest_port(index);
      if (exchange.family == Family::kIpv6) {  // the Nat knows it only when the guest has used it
        forward.guest = eui64_address(config.nat.topology.prefix_v6.address, config.guest.mac);
      }
      config.forwards.push_back(forward);
    }
  }
  return config;
}

}  // namespace dashi
