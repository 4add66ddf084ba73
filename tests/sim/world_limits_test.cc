// Each of Limits driven to its bound: the guest sees a refusal, a counter moves, and once there is room
// again everything works.
#include "tests/sim/world_support.hh"

namespace dashi {

namespace {

Endpoint server(const World& world, uint16_t port) {
  return {world.address("server", Family::kIpv4), Port{port}};
}

uint32_t count_refused(World& world) {
  uint32_t refused = 0;
  for (uint32_t i = 0; i < world.guest().tcp().count(); ++i) {
    refused += world.guest().tcp().record(i).refused ? 1 : 0;
  }
  return refused;
}

// A scripted world's frames from the guest 10.0.0.2, which is MAC 02:..:02.
const MacAddress kGuestMac{{0x02, 0, 0, 0, 0, 0x02}};

std::vector<uint8_t> echo_request(const Config& config, const IpAddress& from, const IpAddress& to,
                                  uint16_t id) {
  guest::IpOut header;
  header.source = from;
  header.destination = to;
  return guest::echo(config.topology.gateway_mac, kGuestMac, header, false, id, 1,
                     std::array<uint8_t, 8>{1, 2, 3, 4, 5, 6, 7, 8});
}

// How many ICMP messages of a type the scripted guest heard: `v4` or, over IPv6, `v6`.
size_t heard(World& world, uint8_t v4, uint8_t v6) {
  size_t count = 0;
  for (const HeardFrame& frame : world.script().heard()) {
    guest::Parsed parsed;
    if (guest::parse_frame({frame.bytes, frame.offload}, parsed).has_value()) continue;
    if (parsed.protocol == guest::kProtoIcmp && parsed.transport[0] == v4) ++count;
    if (parsed.protocol == guest::kProtoIcmpv6 && parsed.transport[0] == v6) ++count;
  }
  return count;
}

size_t replies_heard(World& world) { return heard(world, 0, 129); }

}  // namespace

BOOST_AUTO_TEST_SUITE(world_limits)

BOOST_AUTO_TEST_CASE(a_connection_beyond_the_table_is_refused_until_one_ends) {
  WorldConfig config;
  config.nat.limits.tcp_connections = 4;
  config.nat.limits.tcp_connects_pending = 4;
  World world(config);
  BOOST_REQUIRE(world.configure(10s));
  for (int i = 0; i < 5; ++i) world.guest().connect(server(world, 7), app(AppKind::kManual, 0));
  world.run_for(1s);
  BOOST_TEST(count_refused(world) == 1u);
  BOOST_TEST(world.nat().counters()[Counter::kTcpLimit] >= 1u);
  BOOST_TEST(world.nat().flow_counts().tcp == 4u);
  world.guest().tcp().abort(0);
  world.run_for(1s);
  const uint32_t again = world.guest().connect(server(world, 19), app(AppKind::kSink, 0));
  world.run_for(10s);
  BOOST_TEST(world.guest().tcp().record(again).received == 100'000u);
  expect_clean(world);
}

BOOST_AUTO_TEST_CASE(a_connect_beyond_those_pending_is_refused) {
  WorldConfig config;
  config.nat.limits.tcp_connects_pending = 3;
  config.net.connect_timeout = 10s;
  World world(config);
  BOOST_REQUIRE(world.configure(10s));
  for (int i = 0; i < 5; ++i) world.guest().connect(server(world, 82), app(AppKind::kSink, 0));
  world.run_for(1s);
  BOOST_TEST(count_refused(world) == 2u);
  BOOST_TEST(world.nat().counters()[Counter::kTcpLimit] >= 2u);
  BOOST_TEST(all_flows_over(world, 60s));
  const uint32_t again = world.guest().connect(server(world, 19), app(AppKind::kSink, 0));
  world.run_for(10s);
  BOOST_TEST(world.guest().tcp().record(again).received == 100'000u);
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(peers_beyond_those_the_guest_may_leave_unanswered_wait_in_the_backlog) {
  WorldConfig config;
  config.nat.limits.tcp_accepts_pending = 3;
  Forward forward;
  forward.host = {Ipv4Address{{192, 0, 2, 2}}, Port{8080}};
  forward.guest = Ipv4Address{{10, 0, 0, 77}};  // the guest is another, and says nothing
  forward.guest_port = Port{80};
  config.forwards.push_back(forward);
  World world(config);
  BOOST_REQUIRE(world.configure(10s));
  for (uint32_t i = 0; i < 5; ++i) {
    world.apps().connect(1, world.forwarded()[0], app(AppKind::kSink, 0));
  }
  world.run_for(10s);
  BOOST_TEST(world.nat().flow_counts().tcp == 3u);
  BOOST_TEST(world.nat().counters()[Counter::kTcpAccepted] == 3u);
  BOOST_TEST(world.nat().counters()[Counter::kTcpLimit] >= 1u);
  world.save_restore_nat();
  const uint32_t own = world.guest().connect(server(world, 19), app(AppKind::kSink, 0));
  world.run_for(10s);
  BOOST_TEST(world.guest().tcp().record(own).received == 100'000u);
  BOOST_TEST(world.nat().counters()[Counter::kTcpAccepted] == 3u);
  world.run_for(165s);  // the first are given up
  BOOST_TEST(world.nat().counters()[Counter::kTcpAccepted] == 5u);
  world.run_for(185s);
  BOOST_TEST(world.nat().flow_counts().tcp == 0u);
  for (const std::string& violation : world.violations()) {  // SYNs for the guest that is not there
    BOOST_TEST(violation.rfind("frames sent to somebody else", 0) == 0, violation);
  }
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(time_wait_beyond_its_table_gives_way_and_is_counted) {
  WorldConfig config;
  config.nat.limits.tcp_time_wait = 3;
  World world(config);
  BOOST_REQUIRE(world.configure(10s));
  for (int i = 0; i < 10; ++i) world.guest().connect(server(world, 83), app(AppKind::kSink, 0));
  BOOST_TEST(all_flows_over(world, 60s));
  world.run_for(5s);
  BOOST_TEST(world.nat().flow_counts().tcp_time_wait == 3u);
  BOOST_TEST(world.nat().counters()[Counter::kTcpTimeWaitEvicted] == 7u);
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(a_forward_beyond_its_table_is_an_error_of_the_command) {
  for (const ForwardProtocol protocol : {ForwardProtocol::kTcp, ForwardProtocol::kUdp}) {
    WorldConfig config;
    config.nat.limits.tcp_forwards = config.nat.limits.udp_forwards = 2;
    World world(config);
    Forward forward;
    forward.protocol = protocol;
    forward.host = {Ipv4Address{{192, 0, 2, 2}}, Port{0}};
    forward.guest_port = Port{80};
    const auto first = world.nat().add_forward(world.now(), forward);
    BOOST_REQUIRE(first.ok());
    BOOST_TEST(world.nat().add_forward(world.now(), forward).ok());
    const auto third = world.nat().add_forward(world.now(), forward);
    BOOST_TEST((!third.ok() && third.error() == SocketError::kTooManySockets));
    BOOST_TEST(world.sockets().open_sockets() == 2u);
    BOOST_TEST(world.nat().remove_forward(world.now(), protocol, *first).ok());
    BOOST_TEST(world.nat().add_forward(world.now(), forward).ok());
  }
}

BOOST_AUTO_TEST_CASE(gaps_beyond_the_reassembly_are_dropped_and_come_again) {
  WorldConfig config;
  config.nat.limits.tcp_reassembly_gaps = 2;
  config.link.up.delay = config.link.down.delay = 5ms;
  config.link.up.faults.loss = Chance::percent(15);
  World world(config);
  BOOST_REQUIRE(world.configure(60s));
  const uint32_t up = world.guest().connect(server(world, 9), app(AppKind::kSource, 300'000));
  BOOST_TEST(all_flows_over(world, 1h));
  BOOST_TEST(world.guest().tcp().record(up).acknowledged == 300'000u);
  BOOST_TEST(world.nat().counters()[Counter::kTcpReassemblyFull] >= 1u);
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(what_is_held_for_a_slow_host_is_bounded_for_each_and_for_all) {
  WorldConfig config;
  config.nat.limits.tcp_uplink_bytes_each = 16'384;
  config.nat.limits.tcp_uplink_bytes_total = 65'536;
  config.nat.tcp.window = 16'384;
  config.net.send_buffer = 8192;
  World world(config);
  BOOST_REQUIRE(world.configure(10s));
  constexpr int kFlows = 12;
  for (int i = 0; i < kFlows; ++i) {
    world.guest().connect(server(world, 86), app(AppKind::kSource, 60'000));
  }
  world.run_for(30ms);
  // The server's receive buffer, the host's send buffer, and what the Nat holds: no more is accepted.
  for (uint32_t i = 0; i < kFlows; ++i) {
    BOOST_TEST(world.guest().tcp().record(i).acknowledged <= 16'384u + 8192u + 16'384u + 3 * 4000u);
  }
  BOOST_TEST(all_flows_over(world, 10min));
  for (uint32_t i = 0; i < kFlows; ++i) {
    BOOST_TEST(world.guest().tcp().record(i).acknowledged == 60'000u);
    BOOST_TEST(world.guest().tcp().record(i).eof);
  }
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(failures_beyond_those_remembered_are_still_answered) {
  WorldConfig config;
  config.nat.limits.tcp_failures_remembered = 2;
  World world(config);
  BOOST_REQUIRE(world.configure(10s));
  for (int i = 0; i < 8; ++i) world.guest().connect(server(world, 81), app(AppKind::kSink, 0));
  BOOST_TEST(all_flows_over(world, 60s));
  BOOST_TEST(count_refused(world) == 8u);
  BOOST_TEST(world.nat().counters()[Counter::kTcpConnectFailed] == 8u);
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(a_udp_endpoint_beyond_the_table_is_reported_until_one_expires) {
  WorldConfig config;
  config.nat.limits.udp_endpoints = 3;
  World world(config);
  BOOST_REQUIRE(world.configure(10s));
  const std::array<uint8_t, 4> payload{1, 2, 3, 4};
  for (uint16_t port = 5000; port < 5005; ++port) {
    world.guest().send_udp(Port{port}, server(world, 7), payload, 64);
  }
  world.run_for(1s);
  BOOST_TEST(world.guest().datagrams().size() == 3u);
  BOOST_TEST(world.guest().udp_errors().size() == 2u);
  BOOST_TEST(world.nat().counters()[Counter::kUdpLimit] == 2u);
  world.run_for(6min);
  world.guest().send_udp(Port{5004}, server(world, 7), payload, 64);
  world.run_for(1s);
  BOOST_TEST(world.guest().datagrams().size() == 4u);
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(an_echo_id_beyond_the_table_is_refused_until_one_expires) {
  WorldConfig config;
  config.scripted = true;
  config.nat.limits.echo_ids = 3;
  World world(config);
  const IpAddress far = world.address("server", Family::kIpv4);
  const IpAddress from = config.nat.topology.guest_v4;
  for (uint16_t id = 1; id <= 5; ++id) {
    world.script().send(echo_request(config.nat, from, far, id), Offload{});
  }
  world.run_for(1s);
  BOOST_TEST(replies_heard(world) == 3u);
  BOOST_TEST(world.nat().counters()[Counter::kEchoLimit] == 2u);
  BOOST_TEST(heard(world, 3, 1) == 2u);  // unreachable
  world.run_for(2min);
  world.script().send(echo_request(config.nat, from, far, 5), Offload{});
  world.run_for(1s);
  BOOST_TEST(replies_heard(world) == 4u);
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(an_ipv6_address_of_the_guest_beyond_the_table_is_not_served) {
  WorldConfig config;
  config.scripted = true;
  config.nat.limits.guest_addresses_v6 = 4;
  World world(config);
  const IpAddress gateway = config.nat.topology.gateway_v6();
  for (uint8_t last = 0x10; last < 0x16; ++last) {
    Ipv6Address from = config.nat.topology.prefix_v6.address;
    from.bytes[15] = last;
    world.script().send(echo_request(config.nat, from, gateway, last), Offload{});
  }
  world.run_for(1s);
  BOOST_TEST(world.nat().counters()[DropReason::kTooManyGuestAddresses] == 2u);
  BOOST_TEST(replies_heard(world) == 4u);
  expect_clean(world);
}

BOOST_AUTO_TEST_CASE(a_dns_query_beyond_those_pending_is_answered_servfail) {
  WorldConfig config;
  config.nat.limits.dns_queries = 4;
  config.nat.dns.resolvers = {{Ipv4Address{{203, 0, 113, 40}}, Port{53}}};  // silent
  World world(config);
  BOOST_REQUIRE(world.configure(10s));
  for (int i = 0; i < 6; ++i) world.guest().resolve("server.example", 1);
  world.run_for(500ms);
  uint32_t servfail = 0;
  for (const ResolveRecord& record : world.guest().resolutions()) {
    servfail += record.answered.has_value() && record.answer.rcode == 2 ? 1 : 0;
  }
  BOOST_TEST(servfail == 2u);
  BOOST_TEST(world.nat().counters()[Counter::kDnsLimit] == 2u);
  world.run_for(1min);  // the others time out: SERVFAIL as well
  for (const ResolveRecord& record : world.guest().resolutions()) {
    BOOST_TEST(record.answered.has_value());
  }
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(a_dns_connection_beyond_the_table_is_refused) {
  WorldConfig config;
  config.nat.limits.dns_tcp_connections = 2;
  config.nat.dns.resolvers = {{Ipv4Address{{203, 0, 113, 10}}, Port{53}}};
  World world(config);
  BOOST_REQUIRE(world.configure(10s));
  const Endpoint gateway{config.nat.topology.gateway_v4, Port{53}};
  const auto message = make_dns_query(7, "server.example", 1);
  std::vector<uint8_t> framed{0, static_cast<uint8_t>(message.size())};
  framed.insert(framed.end(), message.begin(), message.end());
  for (int i = 0; i < 3; ++i) {
    const uint32_t flow = world.guest().connect(gateway, app(AppKind::kManual, 0));
    world.guest().tcp().write(flow, framed);
  }
  world.run_for(1s);
  GuestTcp& tcp = world.guest().tcp();
  BOOST_TEST(count_refused(world) + (tcp.record(2).reset && !tcp.record(2).refused ? 1 : 0) == 1u);
  BOOST_TEST(world.nat().counters()[Counter::kDnsLimit] >= 1u);
  for (uint32_t flow = 0; flow < 2; ++flow) {
    const auto answer = parse_dns_answer(Bytes(tcp.received_by(flow)).subspan(2));
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->addresses.size() == 1u);
    tcp.finish(flow);
  }
  BOOST_TEST(all_flows_over(world, 60s));
  expect_clean(world);
  expect_no_leaks(world);
}

BOOST_AUTO_TEST_CASE(a_dns_record_beyond_the_table_is_an_error_of_the_command) {
  WorldConfig config;
  config.nat.limits.dns_records = 2;
  World world(config);
  const std::array<IpAddress, 1> address{Ipv4Address{{10, 1, 1, 1}}};
  BOOST_TEST(world.nat().set_record("one.test", address).ok());
  BOOST_TEST(world.nat().set_record("two.test", address).ok());
  const auto third = world.nat().set_record("three.test", address);
  BOOST_TEST((!third.ok() && third.error() == DnsRecordError::kTooManyRecords));
}

BOOST_AUTO_TEST_CASE(the_hosts_own_limit_of_open_files_is_a_refusal) {
  WorldConfig config;
  config.net.open_files = 3;
  World world(config);
  BOOST_REQUIRE(world.configure(10s));
  for (int i = 0; i < 5; ++i) world.guest().connect(server(world, 7), app(AppKind::kManual, 0));
  world.run_for(1s);
  BOOST_TEST(count_refused(world) == 2u);
  BOOST_TEST(world.sockets().open_sockets() == 3u);
  expect_clean(world);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
