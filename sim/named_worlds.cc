#include "sim/named_worlds.hh"

namespace dashi {

namespace {

constexpr Family kFamilies[] = {Family::kIpv4, Family::kIpv6};

AppSpec app(AppKind kind, uint64_t bytes) {
  AppSpec spec;
  spec.kind = kind;
  spec.bytes = bytes;
  spec.checks_pattern = kind == AppKind::kSink;
  return spec;
}

Endpoint server(const World& world, Family family, uint16_t port) {
  return {world.address("server", family), Port{port}};
}

void begin(World& world) {
  const bool configured = world.configure(60s);
  DASHI_CHECK(configured);
}

// Down, up and both ways, over both families, and what fails.
void run_tcp(World& world) {
  begin(world);
  for (const Family family : kFamilies) {
    TcpGuest& guest = world.guest();
    guest.connect(server(world, family, 19), app(AppKind::kSink, 0));
    guest.connect(server(world, family, 9), app(AppKind::kSource, 120'000));
    guest.connect(server(world, family, 7), app(AppKind::kEchoClient, 40'000));
    guest.connect(server(world, family, 13), app(AppKind::kBanner, 0));
    guest.connect(server(world, family, 81), app(AppKind::kSink, 0));
    guest.connect(server(world, family, 83), app(AppKind::kSink, 0));
    guest.connect(server(world, family, 84), app(AppKind::kSource, 5'000));
    guest.connect(server(world, family, 85), app(AppKind::kSink, 0));
  }
  world.run_for(5min);
}

WorldConfig plain() { return WorldConfig{}; }

WorldConfig bad_link() {
  WorldConfig config;
  config.seed = 2;
  for (LinkSpec* link : {&config.link.up, &config.link.down}) {
    link->rate_bps = 20'000'000;
    link->delay = 4ms;
    link->queue_frames = 100;
    link->faults.loss = Chance::percent(2);
    link->faults.bursts = {Chance::ppm(4000), Chance::percent(25), Chance::never(),
                           Chance::percent(80)};
    link->faults.duplicate = Chance::percent(1);
    link->faults.reorder_by_delay = link->faults.reorder_by_distance = Chance::percent(1);
    link->faults.reorder_delay = {1ms, 9ms};
    link->faults.jitter = {0us, 400us};
    link->faults.corrupt_bit = link->faults.corrupt_header = Chance::ppm(4000);
    link->faults.corrupt_checksum = link->faults.truncate = Chance::ppm(4000);
  }
  return config;
}

WorldConfig bad_sockets() {
  WorldConfig config;
  config.seed = 3;
  config.socket_faults.short_write = Chance::percent(25);
  config.socket_faults.would_block = Chance::percent(15);
  config.socket_faults.reset = Chance::ppm(1000);
  config.socket_faults.connect_late = Chance::percent(30);
  config.socket_faults.connect_fails = Chance::percent(5);
  config.socket_faults.too_many_sockets = Chance::percent(5);
  config.socket_faults.no_buffers = Chance::percent(3);
  return config;
}

WorldConfig drawn_batches() {
  WorldConfig config;
  config.seed = 4;
  config.draw_batches = true;
  config.link.up.rate_bps = config.link.down.rate_bps = 50'000'000;
  config.link.room_frames = 8;
  config.link.back_pressure = Chance::percent(3);
  config.link.head_bytes = 128;
  return config;
}

WorldConfig super_frames() {
  WorldConfig config;
  config.seed = 5;
  config.link.limits.gso_bytes_max = 65'535;
  config.link.limits.checksum_offload = true;
  config.guest.tcp.gso_bytes = 60'000;
  config.guest.checksum_offload = true;
  return config;
}

// What the gateway answers itself, and everything that is not TCP.
WorldConfig gateway() {
  WorldConfig config;
  config.seed = 6;
  config.static_addresses = false;
  config.nat.dns.resolvers = {{Ipv4Address{{203, 0, 113, 40}}, Port{53}},
                              {Ipv4Address{{203, 0, 113, 10}}, Port{53}}};
  config.net.hosts[2].path.faults.loss = Chance::percent(20);
  return config;
}

void run_gateway(World& world) {
  begin(world);
  TcpGuest& guest = world.guest();
  const std::vector<uint8_t> payload(200, 0x5a);
  for (const Family family : kFamilies) {
    for (uint8_t ttl = 1; ttl <= 12; ++ttl) guest.ping(world.address("far", family), 56, ttl);
    for (uint16_t port = 5000; port < 5010; ++port) {
      guest.send_udp(Port{port}, {world.address("far", family), Port{7}}, payload, 64);
      guest.send_udp(Port{port}, server(world, family, 4), payload, 64);
    }
  }
  for (const uint16_t type : {uint16_t{1}, uint16_t{28}, uint16_t{16}, uint16_t{15}}) {
    guest.resolve("server.example", type);
    guest.resolve("nobody.example", type);
  }
  world.run_for(10min);
}

WorldConfig slow_readers() {
  WorldConfig config;
  config.seed = 7;
  config.guest.tcp.receive_buffer = 16'384;
  return config;
}

void run_slow_readers(World& world) {
  begin(world);
  AppSpec slow = app(AppKind::kSlowReader, 2500);
  slow.interval = 40ms;
  for (const Family family : kFamilies) {
    world.guest().connect(server(world, family, 19), slow);
    world.guest().connect(server(world, family, 86), app(AppKind::kSource, 300'000));
  }
  world.run_for(5min);
}

WorldConfig forwards() {
  WorldConfig config;
  config.seed = 8;
  Forward forward;
  forward.host = {Ipv4Address{{192, 0, 2, 2}}, Port{8080}};
  forward.guest_port = Port{80};
  config.forwards.push_back(forward);
  forward.host = {Ipv4Address{{127, 0, 0, 1}}, Port{0}};
  config.forwards.push_back(forward);
  forward.protocol = ForwardProtocol::kUdp;
  forward.host = {Ipv4Address{{192, 0, 2, 2}}, Port{5353}};
  config.forwards.push_back(forward);
  config.link.up.faults.loss = config.link.down.faults.loss = Chance::percent(1);
  return config;
}

void run_forwards(World& world) {
  begin(world);
  world.guest().tcp().listen(Port{80}, app(AppKind::kEcho, 0));
  world.guest().echo_udp_on(Port{80});
  const Endpoint peer{world.address("far", Family::kIpv4), Port{7777}};
  world.apps().bind_manually(peer);
  for (int i = 0; i < 5; ++i) {
    world.apps().connect(1, world.forwarded()[0], app(AppKind::kEchoClient, 15'000));
    world.apps().connect(SimNet::kHereHost, world.forwarded()[1], app(AppKind::kEchoClient, 9'000));
    world.apps().send_datagram(peer, world.forwarded()[2], std::vector<uint8_t>(64, 1));
    world.run_for(1s);
  }
  world.run_for(10min);
}

// The Nat is saved and restored every 10 ms of its run: as the plain world, to the last bit.
void run_restored(World& world) {
  begin(world);
  for (const Family family : kFamilies) {
    world.guest().connect(server(world, family, 19), app(AppKind::kSink, 0));
    world.guest().connect(server(world, family, 7), app(AppKind::kEchoClient, 40'000));
    world.guest().ping(world.address("server", family), 56, 64);
  }
  for (int i = 0; i < 100; ++i) {
    world.run_for(10ms);
    world.save_restore_nat();
  }
  world.run_for(2min);
}

}  // namespace

const std::vector<NamedWorld>& named_worlds() {
  static const std::vector<NamedWorld> kWorlds{
      {"plain", "TCP of every kind over both families, nothing wrong", plain, run_tcp},
      {"bad-link", "the same over a guest link with every fault of frames", bad_link, run_tcp},
      {"bad-sockets", "the same with every fault of socket calls", bad_sockets, run_tcp},
      {"drawn-batches", "the same with drawn batches and back-pressure", drawn_batches, run_tcp},
      {"super-frames", "the same with TSO and GSO", super_frames, run_tcp},
      {"gateway", "DHCP, SLAAC, DNS, ping, traceroute and UDP", gateway, run_gateway},
      {"slow-readers", "zero windows at both ends", slow_readers, run_slow_readers},
      {"forwards", "connections and datagrams to the guest", forwards, run_forwards},
      {"restored", "the Nat saved and restored a hundred times", plain, run_restored},
  };
  return kWorlds;
}

const NamedWorld* find_named_world(std::string_view name) {
  for (const NamedWorld& world : named_worlds()) {
    if (name == world.name) return &world;
  }
  return nullptr;
}

Digest run_named(const NamedWorld& named, const DigestOptions& options) {
  WorldConfig config = named.config();
  config.digest = options;
  World world(config);
  named.run(world);
  return std::move(world.digest());
}

}  // namespace dashi
