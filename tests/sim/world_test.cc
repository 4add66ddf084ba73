#include "sim/world.hh"

#include "sim/pattern.hh"
#include "tests/sim/world_support.hh"

namespace dashi {

namespace {

constexpr Family kFamilies[] = {Family::kIpv4, Family::kIpv6};

const std::vector<uint8_t> kHello{'h', 'e', 'l', 'l', 'o'};

}  // namespace

BOOST_AUTO_TEST_SUITE(world)

BOOST_AUTO_TEST_CASE(downloads_uploads_and_echoes_pass_whole_and_leave_nothing_behind) {
  World world(WorldConfig{});
  BOOST_REQUIRE(world.configure(10s));
  for (const Family family : kFamilies) {
    const IpAddress server = world.address("server", family);
    TcpGuest& guest = world.guest();
    const uint32_t down = guest.connect({server, Port{19}}, app(AppKind::kSink, 0));
    const uint32_t up = guest.connect({server, Port{9}}, app(AppKind::kSource, 200'000));
    const uint32_t both = guest.connect({server, Port{7}}, app(AppKind::kEchoClient, 50'000));
    const uint32_t banner = guest.connect({server, Port{13}}, app(AppKind::kManual, 0));
    BOOST_TEST(world.run_until_done(
        [&] {
          return guest.tcp().record(down).over() && guest.tcp().record(up).over() &&
                 guest.tcp().record(both).over() && guest.tcp().record(banner).eof;
        },
        60s));
    BOOST_TEST(guest.tcp().record(down).received == 100'000u);
    BOOST_TEST(guest.tcp().record(up).acknowledged == 200'000u);
    BOOST_TEST(guest.tcp().record(both).received == 50'000u);
    BOOST_TEST(guest.tcp().received_by(banner).size() == 40u);
    guest.tcp().finish(banner);
  }
  BOOST_TEST(all_flows_over(world, 60s));
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(dhcp_and_slaac_configure_a_guest) {
  WorldConfig config;
  config.static_addresses = false;
  World world(config);
  BOOST_REQUIRE(world.configure(10s));
  BOOST_TEST((world.guest().v4() == Ipv4Address{{10, 0, 0, 2}}));
  BOOST_TEST((world.guest().dhcp().router == Ipv4Address{{10, 0, 0, 1}}));
  BOOST_TEST(world.guest().dhcp().lease_seconds == 86400u);
  BOOST_TEST((world.guest().slaac().prefix == config.nat.topology.prefix_v6));
  BOOST_TEST(world.guest().slaac().dns.size() == 1u);
  const uint32_t flow = world.guest().connect({world.address("server", Family::kIpv4), Port{19}},
                                              app(AppKind::kSink, 0));
  BOOST_TEST(all_flows_over(world, 60s));
  BOOST_TEST(world.guest().tcp().record(flow).received == 100'000u);
  expect_clean(world);
}

// Each message takes 100 ms, so that the third is on the link from 200 to 300 ms.
BOOST_AUTO_TEST_CASE(a_lost_dhcp_request_is_made_up_for) {
  WorldConfig config;
  config.static_addresses = false;
  config.link.up.delay = config.link.down.delay = 100ms;
  config.link.up.faults.blackouts.push_back({Instant(190ms), 20ms});
  World world(config);
  BOOST_REQUIRE(world.configure(10s));
  const DhcpRecord& lease = world.guest().dhcp();
  BOOST_TEST((lease.bound_at - lease.began == 4200ms));
}

BOOST_AUTO_TEST_CASE(a_connect_that_fails_looks_to_the_guest_as_the_table_says) {
  for (const Family family : kFamilies) {
    WorldConfig config;
    config.net.connect_timeout = 20s;
    World world(config);
    BOOST_REQUIRE(world.configure(10s));
    const IpAddress server = world.address("server", family);
    const bool v4 = family == Family::kIpv4;
    TcpGuest& guest = world.guest();
    const uint32_t refused = guest.connect({server, Port{81}}, app(AppKind::kSink, 0));
    const uint32_t silent = guest.connect({server, Port{82}}, app(AppKind::kSink, 0));
    const uint32_t unreachable = guest.connect({server, Port{85}}, app(AppKind::kSink, 0));
    BOOST_TEST(all_flows_over(world, 60s));
    BOOST_TEST(guest.tcp().record(refused).refused);
    BOOST_TEST(guest.tcp().record(silent).icmp);
    BOOST_TEST(int{guest.tcp().record(silent).icmp_type} == (v4 ? 3 : 1));
    BOOST_TEST(guest.tcp().record(unreachable).icmp);
    BOOST_TEST(int{guest.tcp().record(unreachable).icmp_type} == (v4 ? 3 : 1));
    expect_clean(world);
    expect_no_leaks(world);
  }
}

BOOST_AUTO_TEST_CASE(an_abort_stays_an_abort_in_both_directions) {
  World world(WorldConfig{});
  BOOST_REQUIRE(world.configure(10s));
  const IpAddress server = world.address("server", Family::kIpv4);
  TcpGuest& guest = world.guest();
  const uint32_t by_server = guest.connect({server, Port{84}}, app(AppKind::kSource, 100'000));
  BOOST_TEST(world.run_until_done([&] { return guest.tcp().record(by_server).over(); }, 60s));
  BOOST_TEST(guest.tcp().record(by_server).reset);
  BOOST_TEST(!guest.tcp().record(by_server).eof);
  const uint32_t by_guest = guest.connect({server, Port{7}}, app(AppKind::kManual, 0));
  guest.tcp().write(by_guest, kHello);
  BOOST_TEST(world.run_until_done([&] { return guest.tcp().record(by_guest).received == 5; }, 60s));
  guest.tcp().abort(by_guest);
  world.run_for(1s);
  BOOST_TEST(world.apps().record(1).reset);
  BOOST_TEST(!world.apps().record(1).eof);
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(half_closes_pass_in_both_orders) {
  World world(WorldConfig{});
  BOOST_REQUIRE(world.configure(10s));
  TcpGuest& guest = world.guest();
  const Endpoint at{world.address("server", Family::kIpv4), Port{6000}};
  world.apps().listen_manually(at);
  // The guest ends first, and still hears 50,000 bytes.
  const uint32_t first = guest.connect(at, app(AppKind::kManual, 0));
  std::optional<uint32_t> server;
  BOOST_REQUIRE(world.run_until_done(
      [&] { return server.has_value() || (server = world.apps().next_accepted(at)).has_value(); },
      10s));
  guest.tcp().write(first, kHello);
  guest.tcp().finish(first);
  BOOST_TEST(world.run_until_done([&] { return world.apps().record(*server).eof; }, 10s));
  BOOST_TEST((world.apps().received_by(*server) == kHello));
  std::vector<uint8_t> answer(50'000);
  fill_pattern(5, 0, answer);
  world.apps().write_manually(*server, answer);
  world.apps().finish(*server);
  BOOST_TEST(world.run_until_done([&] { return guest.tcp().record(first).eof; }, 10s));
  BOOST_TEST((guest.tcp().received_by(first) == answer));
  world.apps().close(*server);
  // The server ends first, and still hears the guest.
  const uint32_t second = guest.connect(at, app(AppKind::kManual, 0));
  server.reset();
  BOOST_REQUIRE(world.run_until_done(
      [&] { return server.has_value() || (server = world.apps().next_accepted(at)).has_value(); },
      10s));
  world.apps().finish(*server);
  BOOST_TEST(world.run_until_done([&] { return guest.tcp().record(second).eof; }, 10s));
  guest.tcp().write(second, answer);
  BOOST_TEST(world.run_until_done(
      [&] { return world.apps().received_by(*server).size() == answer.size(); }, 10s));
  guest.tcp().finish(second);
  BOOST_TEST(world.run_until_done([&] { return world.apps().record(*server).eof; }, 10s));
  BOOST_TEST((world.apps().received_by(*server) == answer));
  world.apps().close(*server);
  BOOST_TEST(all_flows_over(world, 60s));
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(a_forwarded_tcp_port_leads_to_the_guest_with_every_byte) {
  WorldConfig config;
  Forward forward;
  forward.protocol = ForwardProtocol::kTcp;
  forward.host = {Ipv4Address{{192, 0, 2, 2}}, Port{8080}};
  forward.guest_port = Port{80};
  config.forwards.push_back(forward);
  forward.host = {config.net.here.addresses[1], Port{8080}};
  config.forwards.push_back(forward);
  World world(config);
  BOOST_REQUIRE(world.configure(10s));
  world.guest().tcp().listen(Port{80}, app(AppKind::kEcho, 0));
  // The guest's IPv6 address is known from what it sends.
  world.guest().ping(config.nat.topology.gateway_v6(), 8, 64);
  world.run_for(1s);
  for (const Endpoint& at : world.forwarded()) {
    // From afar, and over the host's own loopback.
    for (const uint32_t host : {uint32_t{1}, SimNet::kHereHost}) {
      const uint32_t client = world.apps().connect(host, at, app(AppKind::kEchoClient, 30'000));
      BOOST_TEST(world.run_until_done([&] { return world.apps().record(client).closed; }, 60s));
      BOOST_TEST(world.apps().record(client).received == 30'000u);
      BOOST_TEST(world.apps().record(client).eof);
    }
  }
  BOOST_TEST(all_flows_over(world, 60s));
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(udp_goes_both_ways_and_a_closed_port_is_reported) {
  for (const Family family : kFamilies) {
    World world(WorldConfig{});
    BOOST_REQUIRE(world.configure(10s));
    TcpGuest& guest = world.guest();
    const IpAddress server = world.address("server", family);
    guest.send_udp(Port{5000}, {server, Port{7}}, kHello, 64);
    guest.send_udp(Port{5000}, {server, Port{7}}, Bytes{}, 64);
    BOOST_TEST(world.run_until_done([&] { return guest.datagrams().size() == 2; }, 5s));
    BOOST_REQUIRE(guest.datagrams().size() == 2u);
    BOOST_TEST((guest.datagrams()[0].bytes == kHello));
    BOOST_TEST((guest.datagrams()[0].from == Endpoint{server, Port{7}}));
    BOOST_TEST(guest.datagrams()[1].bytes.empty());
    guest.send_udp(Port{5001}, {server, Port{4}}, kHello, 64);
    BOOST_TEST(world.run_until_done([&] { return guest.udp_errors().size() == 1; }, 5s));
    BOOST_REQUIRE(guest.udp_errors().size() == 1u);
    BOOST_TEST(int{guest.udp_errors()[0].type} == (family == Family::kIpv4 ? 3 : 1));
    BOOST_TEST((guest.udp_errors()[0].from == server));
    expect_clean(world);
    expect_no_leaks(world);
  }
}

BOOST_AUTO_TEST_CASE(a_udp_super_frame_leaves_as_single_datagrams) {
  WorldConfig config;
  config.scripted = true;
  World world(config);
  const Endpoint peer{world.address("server", Family::kIpv4), Port{7777}};
  world.apps().bind_manually(peer);
  std::vector<uint8_t> payload(2500);
  fill_pattern(3, 0, payload);
  guest::IpOut header;
  header.source = config.nat.topology.guest_v4;
  header.destination = peer.address;
  auto frame = guest::udp(config.nat.topology.gateway_mac, config.guest.mac, header, Port{4000},
                          peer.port, payload);
  const Offload offload = guest::leave_checksum(frame, 1000);
  BOOST_REQUIRE((offload.gso_type == GsoType::kUdp));
  world.script().send(frame, offload);
  world.run_for(1s);
  const std::vector<ReceivedDatagram>& received = world.apps().received_at(peer);
  BOOST_REQUIRE(received.size() == 3u);
  std::vector<uint8_t> joined;
  for (const ReceivedDatagram& one : received) {
    BOOST_TEST(one.bytes.size() == (joined.size() < 2000 ? 1000u : 500u));
    joined.insert(joined.end(), one.bytes.begin(), one.bytes.end());
  }
  BOOST_TEST((joined == payload));
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(a_forwarded_udp_port_answers_from_itself) {
  WorldConfig config;
  Forward forward;
  forward.protocol = ForwardProtocol::kUdp;
  forward.host = {Ipv4Address{{192, 0, 2, 2}}, Port{5353}};
  forward.guest_port = Port{53};
  config.forwards.push_back(forward);
  World world(config);
  BOOST_REQUIRE(world.configure(10s));
  world.guest().echo_udp_on(Port{53});
  const Endpoint peer{world.address("far", Family::kIpv4), Port{7777}};
  world.apps().bind_manually(peer);
  world.apps().send_datagram(peer, world.forwarded()[0], kHello);
  BOOST_TEST(world.run_until_done([&] { return !world.apps().received_at(peer).empty(); }, 5s));
  BOOST_REQUIRE(world.apps().received_at(peer).size() == 1u);
  BOOST_TEST((world.apps().received_at(peer)[0].bytes == kHello));
  BOOST_TEST((world.apps().received_at(peer)[0].from == world.forwarded()[0]));
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(pings_are_answered_and_a_small_ttl_names_each_hop) {
  for (const Family family : kFamilies) {
    World world(WorldConfig{});
    BOOST_REQUIRE(world.configure(10s));
    TcpGuest& guest = world.guest();
    const IpAddress far = world.address("far", family);
    const uint32_t answered = guest.ping(far, 56, 64);
    const uint32_t by_gateway = guest.ping(far, 56, 1);
    const uint32_t by_first = guest.ping(far, 56, 2);
    const uint32_t by_ninth = guest.ping(far, 56, 10);
    const uint32_t just_enough = guest.ping(far, 56, 11);
    world.run_for(2s);
    const auto& pings = guest.pings();
    BOOST_TEST(pings[answered].answered.has_value());
    BOOST_TEST(pings[answered].payload_right);
    BOOST_TEST((*pings[answered].answered - pings[answered].sent >= 300ms));
    BOOST_TEST(pings[by_gateway].icmp_error);
    BOOST_TEST(world.nat().counters()[DropReason::kTtlExpired] == 1u);
    BOOST_TEST(pings[by_first].icmp_error);
    BOOST_TEST(pings[by_ninth].icmp_error);
    BOOST_TEST((pings[by_first].icmp_from != pings[by_ninth].icmp_from));
    BOOST_TEST(pings[just_enough].answered.has_value());
    expect_clean(world);
    expect_no_leaks(world);
  }
}

BOOST_AUTO_TEST_CASE(names_resolve_through_the_gateway_and_a_silent_server_is_passed_over) {
  WorldConfig config;
  const Port dns{53};
  config.nat.dns.resolvers = {{Ipv4Address{{203, 0, 113, 40}}, dns},
                              {Ipv4Address{{203, 0, 113, 10}}, dns}};
  World world(config);
  BOOST_REQUIRE(world.configure(10s));
  TcpGuest& guest = world.guest();
  const uint32_t a = guest.resolve("server.example", 1);
  const uint32_t aaaa = guest.resolve("server.example", 28);
  const uint32_t txt = guest.resolve("server.example", 16);
  const uint32_t none = guest.resolve("nobody.example", 1);
  world.run_for(30s);
  const auto& answers = guest.resolutions();
  BOOST_REQUIRE((answers[a].answered.has_value() && answers[aaaa].answered.has_value()));
  BOOST_REQUIRE((answers[txt].answered.has_value() && answers[none].answered.has_value()));
  BOOST_TEST((answers[a].answer.addresses ==
              std::vector<IpAddress>{world.address("server", Family::kIpv4)}));
  BOOST_TEST((answers[aaaa].answer.addresses ==
              std::vector<IpAddress>{world.address("server", Family::kIpv6)}));
  BOOST_TEST((answers[txt].answer.texts == std::vector<std::string>{"the near one"}));
  BOOST_TEST(int{answers[none].answer.rcode} == 3);
  BOOST_TEST(world.nat().counters()[Counter::kDnsFailovers] >= 1u);
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
