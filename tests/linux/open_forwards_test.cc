#include "core/linux/open_forwards.hh"

#include <boost/test/unit_test.hpp>
#include <set>

#include "core/linux/cli.hh"
#include "tests/support/fake_env.hh"
#include "tests/support/fake_link.hh"
#include "tests/support/fake_sockets.hh"

namespace dashi {
namespace {

// Fake sockets where some ports of [::1] are another program's.
class SharedHost final : public Sockets {
 public:
  test::FakeSockets own;
  std::set<uint16_t> taken_v6;

  Result<std::unique_ptr<StreamSocket>, SocketError> connect(const Endpoint& remote,
                                                             const ConnectOptions& options,
                                                             FlowId id) override {
    return own.connect(remote, options, id);
  }
  Result<std::unique_ptr<Listener>, SocketError> listen(const Endpoint& local, FlowId id) override {
    if (taken(local)) return SocketError::kAddressInUse;
    return own.listen(local, id);
  }
  Result<std::unique_ptr<DatagramSocket>, SocketError> open_datagram(const Endpoint& local,
                                                                     FlowId id) override {
    if (taken(local)) return SocketError::kAddressInUse;
    return own.open_datagram(local, id);
  }
  Result<std::unique_ptr<EchoSocket>, SocketError> open_echo(Family family, FlowId id) override {
    return own.open_echo(family, id);
  }
  std::unique_ptr<StreamSocket> adopt_stream(FlowId) override { return nullptr; }
  std::unique_ptr<Listener> adopt_listener(FlowId) override { return nullptr; }
  std::unique_ptr<DatagramSocket> adopt_datagram(FlowId) override { return nullptr; }
  std::unique_ptr<EchoSocket> adopt_echo(FlowId) override { return nullptr; }

 private:
  bool taken(const Endpoint& local) const {
    return local.address.is_v6() && taken_v6.contains(local.port.number);
  }
};

struct Fixture {
  test::FakeLink link;
  SharedHost sockets;
  test::FakeEntropy entropy;
  test::FakeTrace trace;
  Config config;
  std::unique_ptr<Nat> nat = std::make_unique<Nat>(config, Env{link, sockets, entropy, trace});

  Result<std::vector<OpenedForward>, SystemError> open(const char* spec) {
    const std::array<const char*, 6> words{"dashi", "run", "-p", spec, "--", "true"};
    const auto settings = parse_command_line(static_cast<int>(words.size()), words.data());
    BOOST_REQUIRE(settings.ok());
    return open_forwards(Instant{}, *nat, config.limits, plan_forwards(*settings, config));
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(opening_forwards, Fixture)

BOOST_AUTO_TEST_CASE(a_port_the_host_chose_is_another_if_the_other_address_has_it_in_use) {
  for (const char* spec : {"tcp:0:80", "udp:0:80"}) {
    const uint16_t next = sockets.own.next_port;
    sockets.taken_v6 = {next, static_cast<uint16_t>(next + 1)};
    const size_t before = sockets.own.open_count();
    const auto opened = open(spec);
    BOOST_REQUIRE(opened.ok());
    BOOST_REQUIRE(opened->size() == 2u);
    BOOST_TEST(opened->front().host.port.number == next + 2);
    BOOST_TEST(opened->back().host.port.number == next + 2);
    BOOST_TEST(opened->back().host.address.is_v6());
    BOOST_TEST((opened->front().chosen && opened->back().chosen));
    BOOST_TEST(sockets.own.open_count() == before + 2);  // those in vain are closed
  }
}

BOOST_AUTO_TEST_CASE(a_host_where_every_port_is_in_use_is_an_error) {
  for (uint16_t i = 0; i < 100; ++i) {
    sockets.taken_v6.insert(static_cast<uint16_t>(sockets.own.next_port + i));
  }
  const auto opened = open("tcp:0:80");
  BOOST_REQUIRE(!opened.ok());
  BOOST_TEST(opened.error().text().starts_with("cannot forward tcp:[::1]:"));
  BOOST_TEST(opened.error().text().ends_with("in use"));
}

BOOST_AUTO_TEST_CASE(a_port_that_was_asked_for_is_not_exchanged) {
  sockets.taken_v6 = {8080};
  const auto opened = open("tcp:8080:80");
  BOOST_REQUIRE(!opened.ok());
  BOOST_TEST(opened.error().text().starts_with("cannot forward tcp:[::1]:8080: "));
}

BOOST_AUTO_TEST_CASE(a_range_of_512_ports_is_the_widest_and_what_is_beyond_says_why) {
  for (const char* spec : {"tcp:18000-18511:80", "udp:18000-18511:80"}) {
    const auto opened = open(spec);
    BOOST_REQUIRE(opened.ok());
    BOOST_TEST(opened->size() == 1024u);
    BOOST_TEST(!opened->front().chosen);
  }
  nat = std::make_unique<Nat>(config, Env{link, sockets, entropy, trace});
  const auto wider = open("tcp:18000-18512:80");
  BOOST_REQUIRE(!wider.ok());
  BOOST_TEST(wider.error().text() ==
             "cannot forward tcp:127.0.0.1:18512: more than 1024 sockets to forward tcp (a port "
             "without an address takes two)");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
