#include "sim/net_spec.hh"

namespace dashi {

namespace {

ServiceSpec service(Transport transport, uint16_t port, AppKind kind, uint64_t bytes) {
  ServiceSpec spec;
  spec.transport = transport;
  spec.port = Port{port};
  spec.app.kind = kind;
  spec.app.bytes = bytes;
  return spec;
}

HostSpec host(const char* name, uint8_t last_byte, Duration delay) {
  HostSpec spec;
  spec.name = name;
  Ipv6Address v6{{0x20, 0x01, 0x0d, 0xb8, 0, 1}};
  v6.bytes[15] = last_byte;
  spec.addresses = {Ipv4Address{{203, 0, 113, last_byte}}, v6};
  spec.path.delay = delay;
  return spec;
}

void add_small_services(HostSpec& spec) {
  for (const Transport transport : {Transport::kTcp, Transport::kUdp}) {
    spec.services.push_back(service(transport, 7, AppKind::kEcho, 0));
    spec.services.push_back(service(transport, 9, AppKind::kSink, 0));
    spec.services.push_back(service(transport, 53, AppKind::kDns, 0));
  }
  ServiceSpec banner = service(Transport::kTcp, 13, AppKind::kBanner, 0);
  banner.app.text = "Thursday, January 1, 1970 00:00:00-UTC\r\n";
  spec.services.push_back(banner);
  spec.services.push_back(service(Transport::kTcp, 19, AppKind::kSource, 100'000));
  spec.services.push_back(service(Transport::kUdp, 19, AppKind::kSource, 1200));
}

}  // namespace

NetSpec standard_net() {
  NetSpec net;
  net.here.name = "here";
  net.here.addresses = {Ipv4Address{{192, 0, 2, 2}},
                        Ipv6Address{{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}}};

  HostSpec server = host("server", 10, 5ms);
  add_small_services(server);
  server.services.push_back(service(Transport::kTcp, 81, AppKind::kRefuse, 0));
  server.services.push_back(service(Transport::kTcp, 82, AppKind::kBlackhole, 0));
  server.services.push_back(service(Transport::kTcp, 83, AppKind::kAcceptAndClose, 0));
  server.services.push_back(service(Transport::kTcp, 84, AppKind::kResetAfter, 1000));
  server.services.push_back(service(Transport::kTcp, 85, AppKind::kUnreachable, 0));
  ServiceSpec slow_reader = service(Transport::kTcp, 86, AppKind::kSlowReader, 4000);
  slow_reader.app.interval = 10ms;
  slow_reader.app.receive_buffer = 16384;
  server.services.push_back(slow_reader);
  net.hosts.push_back(server);

  HostSpec slow = host("slow", 20, 30ms);
  slow.path.rate_bps = 2'000'000;
  add_small_services(slow);
  net.hosts.push_back(slow);

  HostSpec far = host("far", 30, 150ms);
  far.path.hops = 9;
  add_small_services(far);
  net.hosts.push_back(far);

  HostSpec silent = host("silent", 40, 10ms);
  silent.silent = true;
  net.hosts.push_back(silent);

  net.hosts.push_back(host("refusing", 50, 10ms));

  net.dns_table = {{"server.example", net.hosts[0].addresses, "the near one"},
                   {"far.example", net.hosts[2].addresses, ""},
                   {"v4only.example", {Ipv4Address{{203, 0, 113, 10}}}, ""}};
  return net;
}

}  // namespace dashi
