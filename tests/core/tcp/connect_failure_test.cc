#include "core/wire/icmp.hh"
#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {
namespace {

NetError net_error(SocketError error) {
  NetError out;
  out.error = error;
  return out;
}

NetError net_error(SocketError error, uint8_t type, uint8_t code, const char* reporter) {
  NetError out = net_error(error);
  out.icmp_type = type;
  out.icmp_code = code;
  out.reporter = address(reporter);
  out.original_remote = {address("198.51.100.7"), {80}};
  return out;
}

// Fails the connect of a fresh SYN and gives what the guest hears.
TcpBench::Heard fail(TcpBench& bench, const NetError& error) {
  bench.syn();
  bench.host_fails(bench.sockets.streams.back(), error);
  BOOST_TEST(bench.nat().flow_counts().tcp == 0u);
  BOOST_TEST(bench.count(Counter::kTcpConnectFailed) == 1u);
  auto heard = bench.hear();
  bench.expect_nothing();
  return heard;
}

void is_reset_of_syn(const TcpBench::Heard& heard) {
  BOOST_TEST(heard.packet.tcp.flags == (kTcpRst | kTcpAck));
  BOOST_TEST(heard.packet.tcp.sequence == 0u);
  BOOST_TEST(heard.packet.tcp.acknowledgment == kGuestIsn + 1);
}

// An ICMP error from `reporter` that quotes the guest's SYN.
void is_icmp(const TcpBench::Heard& heard, uint8_t type, uint8_t code, const char* reporter) {
  BOOST_REQUIRE((heard.packet.ip_header.protocol == IpProtocol::kIcmp));
  BOOST_TEST((heard.packet.ip_header.source == address(reporter)));
  const Bytes icmp = heard.packet.transport;
  BOOST_REQUIRE(icmp.size() >= 8u + 20u + 8u);
  BOOST_TEST(int{icmp[0]} == int{type});
  BOOST_TEST(int{icmp[1]} == int{code});
  const Bytes quoted = icmp.subspan(8);
  BOOST_TEST(naive_checksum(quoted.first(20)) == 0);
  BOOST_TEST(as_text(quoted.subspan(12, 4)) == as_text(address("10.0.0.2").bytes()));
  BOOST_TEST(as_text(quoted.subspan(16, 4)) == as_text(address("198.51.100.7").bytes()));
  BOOST_TEST(uint16_t{load<Be16>(quoted.subspan(20))} == 44444);
  BOOST_TEST(uint16_t{load<Be16>(quoted.subspan(22))} == 80);
  BOOST_TEST(uint32_t{load<Be32>(quoted.subspan(24))} == kGuestIsn);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_connect_failure)

BOOST_AUTO_TEST_CASE(resets_what_the_host_refused_or_has_no_means_for) {
  for (const SocketError error :
       {SocketError::kRefused, SocketError::kReset, SocketError::kTooManySockets,
        SocketError::kNoBuffers, SocketError::kAddressInUse, SocketError::kOther}) {
    TcpBench bench(quiet_config());
    is_reset_of_syn(fail(bench, net_error(error)));
  }
}

BOOST_AUTO_TEST_CASE(says_from_the_gateway_what_nobody_reported) {
  const std::vector<std::tuple<SocketError, int, int>> table = {
      {SocketError::kNetworkUnreachable, 3, 0}, {SocketError::kHostUnreachable, 3, 1},
      {SocketError::kTimedOut, 3, 1},           {SocketError::kTtlExceeded, 11, 0},
      {SocketError::kAccessDenied, 3, 13},      {SocketError::kNotSupported, 3, 0}};
  for (const auto& [error, type, code] : table) {
    TcpBench bench(quiet_config());
    is_icmp(fail(bench, net_error(error)), static_cast<uint8_t>(type), static_cast<uint8_t>(code),
            "10.0.0.1");
  }
}

BOOST_AUTO_TEST_CASE(relays_type_code_and_reporter_of_the_network) {
  const std::vector<std::tuple<SocketError, int, int, const char*>> table = {
      {SocketError::kNetworkUnreachable, 3, 0, "203.0.113.1"},
      {SocketError::kHostUnreachable, 3, 1, "203.0.113.2"},
      {SocketError::kHostUnreachable, 3, 10, "198.51.100.7"},
      {SocketError::kTtlExceeded, 11, 0, "203.0.113.3"},
      {SocketError::kAccessDenied, 3, 13, "203.0.113.4"}};
  for (const auto& [error, type, code, reporter] : table) {
    TcpBench bench(quiet_config());
    const auto heard = fail(
        bench, net_error(error, static_cast<uint8_t>(type), static_cast<uint8_t>(code), reporter));
    is_icmp(heard, static_cast<uint8_t>(type), static_cast<uint8_t>(code), reporter);
  }
}

BOOST_AUTO_TEST_CASE(does_not_name_a_reporter_that_means_something_else_to_the_guest) {
  TcpBench bench(quiet_config());
  is_icmp(fail(bench, net_error(SocketError::kHostUnreachable, 3, 1, "10.0.0.2")), 3, 1,
          "10.0.0.1");
}

BOOST_AUTO_TEST_CASE(says_over_ipv6_what_it_says_over_ipv4) {
  const std::vector<std::tuple<SocketError, int, int>> table = {
      {SocketError::kNetworkUnreachable, 1, 0},
      {SocketError::kHostUnreachable, 1, 3},
      {SocketError::kTtlExceeded, 3, 0},
      {SocketError::kAccessDenied, 1, 1}};
  for (const auto& [error, type, code] : table) {
    TcpBench bench(ipv6_config());
    bench.guest_address = address("fd00:da51::2");
    bench.remote_address = address("2001:db8::7");
    const auto heard = fail(bench, net_error(error));
    BOOST_REQUIRE((heard.packet.ip_header.protocol == IpProtocol::kIcmpv6));
    BOOST_TEST((heard.packet.ip_header.source == address("fd00:da51::1")));
    BOOST_TEST(int{heard.packet.transport[0]} == type);
    BOOST_TEST(int{heard.packet.transport[1]} == code);
    BOOST_TEST(uint32_t{load<Be32>(heard.packet.transport.subspan(8 + 40 + 4))} == kGuestIsn);
  }
}

BOOST_AUTO_TEST_CASE(relays_a_reporter_over_ipv6) {
  TcpBench bench(ipv6_config());
  bench.guest_address = address("fd00:da51::2");
  bench.remote_address = address("2001:db8::7");
  NetError error = net_error(SocketError::kHostUnreachable, 1, 5, "2001:db8::1");
  error.original_remote = {};  // a backend that does not say
  const auto heard = fail(bench, error);
  BOOST_TEST((heard.packet.ip_header.source == address("2001:db8::1")));
  BOOST_TEST(int{heard.packet.transport[0]} == 1);
  BOOST_TEST(int{heard.packet.transport[1]} == 5);
}

BOOST_AUTO_TEST_CASE(remembers_a_failure_for_a_second_and_then_tries_again) {
  TcpBench bench(quiet_config());
  is_icmp(fail(bench, net_error(SocketError::kHostUnreachable, 3, 1, "203.0.113.2")), 3, 1,
          "203.0.113.2");
  bench.advance(999ms);
  bench.syn();
  BOOST_TEST(bench.sockets.streams.size() == 1u);  // not connected again
  is_icmp(bench.hear(), 3, 1, "203.0.113.2");
  BOOST_TEST(bench.count(DropReason::kTcpRefused) == 1u);
  bench.advance(1ms);
  bench.syn();
  BOOST_TEST(bench.sockets.streams.size() == 2u);
}

BOOST_AUTO_TEST_CASE(remembers_a_failure_that_connect_gave_at_once) {
  const std::vector<std::pair<SocketError, bool>> table = {
      {SocketError::kTooManySockets, true},
      {SocketError::kNetworkUnreachable, false},
      {SocketError::kAccessDenied, false},
      {SocketError::kNoBuffers, true}};
  for (const auto& [error, reset] : table) {
    TcpBench bench(quiet_config());
    bench.sockets.open_error = error;
    bench.syn();
    BOOST_TEST(bench.count(DropReason::kTcpRefused) == 1u);
    BOOST_TEST((bench.hear().packet.ip_header.protocol == IpProtocol::kTcp) == reset);
    bench.sockets.open_error.reset();
    bench.syn();
    BOOST_TEST(bench.sockets.streams.empty());
    BOOST_TEST((bench.hear().packet.ip_header.protocol == IpProtocol::kTcp) == reset);
    bench.advance(1s);
    bench.syn();
    BOOST_TEST(bench.sockets.streams.size() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(gives_up_a_connect_that_takes_too_long_as_host_unreachable) {
  TcpBench bench(quiet_config());
  bench.syn();
  bench.advance(129s);
  bench.expect_nothing();
  bench.advance(1s);
  is_icmp(bench.hear(), 3, 1, "10.0.0.1");
  BOOST_TEST(bench.sockets.streams.back().aborted);
  BOOST_TEST(bench.count(Counter::kTcpConnectFailed) == 1u);
  bench.syn();
  is_icmp(bench.hear(), 3, 1, "10.0.0.1");
  BOOST_TEST(bench.sockets.streams.size() == 1u);
}

BOOST_AUTO_TEST_CASE(answers_from_the_address_that_the_guest_asked_for) {  // facts 2.5 d
  Config config = quiet_config();
  config.policy.host_loopback = true;
  TcpBench bench(config);
  bench.remote_address = address("10.0.0.1");
  bench.syn();
  BOOST_TEST((bench.sockets.streams.back().remote.address == address("127.0.0.1")));
  bench.host_fails(bench.sockets.streams.back(), net_error(SocketError::kRefused));
  const auto heard = bench.hear();
  is_reset_of_syn(heard);
  BOOST_TEST((heard.packet.source() == Endpoint{address("10.0.0.1"), {80}}));
}

BOOST_AUTO_TEST_CASE(refuses_a_port_of_the_gateway_and_reports_what_policy_denies) {
  TcpBench bench(quiet_config());
  bench.remote_address = address("10.0.0.1");
  bench.syn();
  is_reset_of_syn(bench.hear());
  BOOST_TEST(bench.count(DropReason::kTcpRefused) == 1u);
  const std::vector<std::tuple<const char*, int, DropReason>> table = {
      {"127.0.0.1", 13, DropReason::kDestinationDenied},
      {"169.254.169.254", 13, DropReason::kDestinationDenied},
      {"10.0.0.77", 1, DropReason::kDestinationUnreachable}};
  for (const auto& [to, code, reason] : table) {
    bench.remote_address = address(to);
    bench.syn();
    const auto heard = bench.hear();
    BOOST_TEST(int{heard.packet.transport[0]} == 3);
    BOOST_TEST(int{heard.packet.transport[1]} == code);
    BOOST_TEST(bench.count(reason) > 0u);
  }
  BOOST_TEST(bench.sockets.streams.empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
