#include "core/linux/settings.hh"

#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "core/linux/cli.hh"
#include "core/linux/config_for.hh"
#include "core/linux/resolv_conf.hh"
#include "core/linux/tail_trace.hh"

namespace dashi {
namespace {

std::optional<ForwardSpec> forward(const char* text) {
  std::string error;
  auto out = parse_forward(text, error);
  BOOST_TEST(error.empty() == out.has_value());
  return out;
}

Settings parsed(std::vector<const char*> words) {
  words.insert(words.begin(), "dashi");
  auto out = parse_command_line(static_cast<int>(words.size()), words.data());
  BOOST_REQUIRE(out.ok());
  return out.value();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(settings)

BOOST_AUTO_TEST_CASE(a_forward_without_an_address_is_for_both_loopbacks) {
  const auto spec = forward("tcp:8080:80");
  BOOST_REQUIRE(spec.has_value());
  BOOST_TEST((spec->protocol == ForwardProtocol::kTcp));
  BOOST_TEST(!spec->address.has_value());
  BOOST_TEST(spec->first.number == 8080);
  BOOST_TEST(spec->last.number == 8080);
  BOOST_TEST(spec->guest_port.number == 80);
}

BOOST_AUTO_TEST_CASE(a_forward_may_name_an_address_of_either_family) {
  BOOST_TEST(to_string(*forward("udp:192.0.2.1:53:5353")->address) == "192.0.2.1");
  BOOST_TEST(to_string(*forward("udp:[2001:db8::1]:53:5353")->address) == "2001:db8::1");
  BOOST_TEST((forward("udp:[::]:53:5353")->protocol == ForwardProtocol::kUdp));
}

BOOST_AUTO_TEST_CASE(a_range_of_host_ports_goes_to_as_many_guest_ports) {
  const auto spec = forward("tcp:127.0.0.1:8000-8010:80");
  BOOST_REQUIRE(spec.has_value());
  BOOST_TEST(spec->first.number == 8000);
  BOOST_TEST(spec->last.number == 8010);
}

BOOST_AUTO_TEST_CASE(what_is_no_forward_is_refused) {
  for (const char* text : {"", "tcp", "tcp:", "tcp:80", "sctp:80:80", "tcp:80:0", "tcp:x:80",
                           "tcp:80:x", "tcp:1.2.3:80:80", "tcp:2001:db8::1:80:80",
                           "tcp:[2001:db8::1]80:80", "tcp:[::1:80:80", "tcp:80-70:80", "tcp:0-1:80",
                           "tcp:65530-65535:65531", "tcp:65536:80", "tcp:-1:80", "tcp: 80:80"}) {
    BOOST_TEST_CONTEXT(text) { BOOST_TEST(!forward(text).has_value()); }
  }
}

BOOST_AUTO_TEST_CASE(ports_are_a_list_of_numbers_and_ranges) {
  const auto ports = parse_ports("80,8000-8010");
  BOOST_REQUIRE(ports.has_value());
  BOOST_REQUIRE(ports->size() == 2u);
  BOOST_TEST((*ports)[0].last.number == 80);
  BOOST_TEST((*ports)[1].last.number == 8010);
  for (const char* text : {"", ",", "80,", "0", "9-8", "a"}) {
    BOOST_TEST_CONTEXT(text) { BOOST_TEST(!parse_ports(text).has_value()); }
  }
}

BOOST_AUTO_TEST_CASE(the_command_is_what_follows_the_dashes_word_for_word) {
  const Settings s = parsed({"run", "--no-ipv6", "--", "sh", "-c", "--", "--mtu"});
  BOOST_TEST((s.command == std::vector<std::string>{"sh", "-c", "--", "--mtu"}));
  BOOST_TEST(!s.ipv6);
  BOOST_TEST(s.configure);  // implied by run
}

BOOST_AUTO_TEST_CASE(a_pid_is_a_namespace_under_proc) {
  const Settings s = parsed({"attach", "--pid", "42"});
  BOOST_TEST(s.netns == "/proc/42/ns/net");
  BOOST_TEST(!s.configure);
}

BOOST_AUTO_TEST_CASE(resolvers_may_have_a_port) {
  const Settings s = parsed({"run", "--dns", "192.0.2.1", "--dns", "[::1]:5353", "true"});
  BOOST_REQUIRE(s.resolvers.size() == 2u);
  BOOST_TEST(s.resolvers[0].port.number == 53);
  BOOST_TEST(to_string(s.resolvers[1]) == "[::1]:5353");
  BOOST_TEST((s.command == std::vector<std::string>{"true"}));
}

BOOST_AUTO_TEST_CASE(a_forward_without_an_address_is_planned_twice) {
  const Settings s = parsed({"run", "-p", "tcp:0:80", "-p", "udp:0.0.0.0:53-54:53", "-p",
                             "tcp:[::1]:81:80", "-p", "udp:82:80", "true"});
  const auto planned = plan_forwards(s, Config{});
  BOOST_REQUIRE(planned.size() == 7u);
  BOOST_TEST(to_string(planned[0].forward.host) == "127.0.0.1:0");
  BOOST_TEST(to_string(planned[1].forward.host) == "[::1]:0");
  BOOST_TEST(planned[1].same_port_as_last);
  BOOST_TEST(planned[1].optional);
  // One server, which need not know IPv6, behind both; who asks for IPv6 gets it.
  BOOST_TEST(to_string(*planned[1].forward.guest) == "10.0.0.2");
  BOOST_TEST(to_string(*planned[4].forward.guest) == "fd00:da51::2");
  BOOST_TEST(to_string(*planned[6].forward.guest) == "fd00:da51::2");
  BOOST_TEST(to_string(planned[3].forward.host) == "0.0.0.0:54");
  BOOST_TEST(planned[3].forward.guest_port.number == 54);
}

BOOST_AUTO_TEST_CASE(sizes_have_units) {
  BOOST_TEST(parsed({"run", "--mtu", "9KiB", "true"}).mtu.value() == 9216u);
  BOOST_TEST(parse_size("1500").value() == 1500u);
  BOOST_TEST(parse_size("64KiB").value() == 65536u);
  for (const char* text : {"", "KiB", "1kb", "1KiBs", "-1", "4194304KiB", "4294967296"}) {
    BOOST_TEST(!parse_size(text).has_value());
  }
}

BOOST_AUTO_TEST_CASE(limits_keep_to_80_percent_of_the_descriptors) {
  const Limits whole;
  BOOST_TEST(scaled(whole, 100'000, 2000).tcp_connections == whole.tcp_connections);
  for (const uint32_t descriptors : {256u, 1024u, 4096u}) {
    const Limits part = scaled(whole, descriptors, 100);
    const uint32_t sum = part.tcp_connections + part.udp_endpoints + part.echo_ids +
                         part.dns_queries + part.dns_tcp_connections;
    BOOST_TEST(sum + 100 <= descriptors * 8 / 10);
    BOOST_TEST(part.tcp_connections > part.udp_endpoints);
    BOOST_TEST(part.echo_ids >= 1u);
    BOOST_TEST(part.tcp_connects_pending <= part.tcp_connections);
  }
}

BOOST_AUTO_TEST_CASE(resolv_conf_gives_servers_in_order_and_the_last_search_list) {
  const ResolvConf read = parse_resolv_conf(
      "# made by hand\n; and\nnameserver 192.0.2.1\n nameserver  2001:db8::1 \nnameserver "
      "fe80::1%eth0\n"
      "nameserver nonsense\ndomain old.test\nsearch a.test b.test .\noptions ndots:2\n");
  BOOST_REQUIRE(read.resolvers.size() == 2u);
  BOOST_TEST(to_string(read.resolvers[0]) == "192.0.2.1:53");
  BOOST_TEST(to_string(read.resolvers[1]) == "[2001:db8::1]:53");
  BOOST_TEST((read.search == std::vector<std::string>{"a.test", "b.test"}));
  BOOST_TEST((read.left_out ==
              std::vector<std::string>{
                  "5: nameserver fe80::1%eth0 is left out: a link-local server cannot be asked",
                  "6: nameserver nonsense is left out: not an address"}));
  BOOST_TEST(parse_resolv_conf("nameserver fe80::1").left_out.size() == 1u);
  BOOST_TEST(parse_resolv_conf("nameserver 169.254.1.1").resolvers.size() == 1u);
}

BOOST_AUTO_TEST_CASE(an_address_in_place_of_a_network_is_refused_by_the_network_that_was_meant) {
  const auto refusal = [](const char* option, const char* network) {
    const std::array<const char*, 5> words = {"dashi", "run", option, network, "true"};
    const auto out = parse_command_line(static_cast<int>(words.size()), words.data());
    BOOST_REQUIRE(!out.ok());
    BOOST_TEST(out.error().status == 2);
    return out.error().text;
  };
  const std::string said = ": not a network: did you mean ";
  for (const auto& [given, meant] : {std::pair{"10.0.0.5/24", "10.0.0.0/24"},
                                     {"10.0.0.1/24", "10.0.0.0/24"},
                                     {"172.16.5.0/12", "172.16.0.0/12"}}) {
    BOOST_TEST(refusal("--net", given) == "dashi: --net " + (given + said) + meant + "?");
  }
  for (const auto& [given, meant] :
       {std::pair{"fd00:1::1/64", "fd00:1::/64"}, {"fd00:1::1:0:0:0/48", "fd00:1::/48"}}) {
    BOOST_TEST(refusal("--net6", given) == "dashi: --net6 " + (given + said) + meant + "?");
  }
  BOOST_TEST((parsed({"run", "--net", "172.16.4.0/22", "--net6", "fd00:1::/64", "true"}).net ==
              Ipv4Prefix{{{172, 16, 4, 0}}, 22}));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_CASE(the_tail_of_the_trace_is_its_last_events_in_order) {
  TailTrace trace;
  for (uint32_t i = 0; i < 1000; ++i) {
    TraceEvent event;
    event.kind = TraceEvent::Kind::kRetransmit;
    event.flow.slot = i;
    trace.record(event);
  }
  const std::string text = trace.text();
  BOOST_TEST(std::count(text.begin(), text.end(), '\n') == 128);
  BOOST_TEST(text.find("flow 0/872/0") < text.find("flow 0/999/0"));
  BOOST_TEST(text.find("flow 0/871/0") == std::string::npos);
}

}  // namespace dashi
