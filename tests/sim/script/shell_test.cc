#include "sim/script/shell.hh"

#include <boost/test/unit_test.hpp>

#include "sim/script/sysctl.hh"

using namespace dashi;
using namespace dashi::script;
using Words = std::vector<std::string>;

BOOST_TEST_DONT_PRINT_LOG_VALUE(Words)

BOOST_AUTO_TEST_SUITE(script_shell)

BOOST_AUTO_TEST_CASE(words_are_cut_as_a_shell_would) {
  const auto commands =
      shell_commands("a 'b c' \"d $((2*3)) e\" # f\n\n g=1\\\n h ; i && j | k > /dev/null 2>&1");
  BOOST_REQUIRE_EQUAL(commands.size(), 6);
  BOOST_TEST(commands[0] == (Words{"a", "b c", "d 6 e"}));
  BOOST_TEST(commands[1] == (Words{"g=1", "h"}));
  BOOST_TEST(commands[2] == (Words{"i"}));
  BOOST_TEST(commands[3] == (Words{"j"}));
  for (const char* odd : {"\"", "$((", "$((1+1))", "\\", "'a\nb'"}) shell_commands(odd);
}

BOOST_AUTO_TEST_CASE(sysctls_are_read_in_order_from_lines_and_the_files_they_name) {
  ShellReading reading;
  const ReadBeside beside = [](const std::string& name) -> std::string {
    if (name == "../common/set.sh") return "sysctl -q net.ipv4.tcp_sack=1 net.ipv4.tcp_ecn=0\n";
    return name == "./loop.sh" ? "./loop.sh\nsysctl a=1" : "";
  };
  read_shell("../common/set.sh\nsysctl -q net.ipv4.tcp_sack=0\n", beside, reading);
  read_shell("./set_sysctls.py /proc/sys/net/ipv4/tcp_timestamps=0", beside, reading);
  read_shell("/tmp/restore.sh; ./missing.sh; rm -rf /; ethtool -K tun0 tso off gso off", beside,
             reading);
  read_shell("ip route change 192.0.2.1 via 10.0.0.1 dev tun0 initcwnd 20", beside, reading);
  using Pair = std::pair<std::string, std::string>;
  BOOST_REQUIRE_EQUAL(reading.sysctls.size(), 4);
  BOOST_TEST((reading.sysctls[0] == Pair{"net.ipv4.tcp_sack", "1"}));
  BOOST_TEST((reading.sysctls[2] == Pair{"net.ipv4.tcp_sack", "0"}));
  BOOST_TEST((reading.sysctls[3] == Pair{"net.ipv4.tcp_timestamps", "0"}));
  BOOST_TEST(reading.passed_over == (Words{"/tmp/restore.sh", "./missing.sh", "rm"}));
  BOOST_TEST(!reading.segments_offloaded);
  BOOST_TEST(reading.initial_window == "20");
  read_shell("./loop.sh", beside, reading);  // ends
}

BOOST_AUTO_TEST_CASE(sysctls_become_config) {
  WorldConfig world;
  BOOST_TEST(apply_sysctl("net.ipv4.tcp_rmem", "4096 540000 15728640", world));
  BOOST_TEST(world.nat.tcp.window_scale == 8);
  BOOST_TEST(world.nat.tcp.window == 1u << 20);  // the limit of memory a connection
  BOOST_TEST(apply_sysctl("net.ipv4.tcp_rmem", "4096\t131072\t6291456", world));
  BOOST_TEST(world.nat.tcp.window_scale == 7);
  BOOST_TEST(apply_sysctl("net.ipv4.tcp_syn_retries", "2", world));
  BOOST_TEST(world.nat.tcp.syn_retries == 2);
  BOOST_TEST(apply_sysctl("net.ipv4.tcp_rto_max_ms", "1000", world));
  BOOST_TEST((world.nat.tcp.rto_max == Duration(1s)));
  BOOST_TEST(apply_sysctl("net.ipv4.tcp_ecn", "0", world));
  BOOST_TEST(!apply_sysctl("net.ipv4.tcp_ecn", "1", world));
  BOOST_TEST(!apply_sysctl("net.ipv4.tcp_rmem", "", world));
  BOOST_TEST(!apply_sysctl("net.ipv4.tcp_rmem", "many", world));
  BOOST_TEST(!apply_sysctl("net.ipv4.tcp_congestion_control", "cubic", world));
  bound_receive_memory(10000, world.nat.tcp);
  BOOST_TEST(world.nat.tcp.window_scale == 0);
  BOOST_TEST(world.nat.tcp.window == 10000);
  bound_receive_memory(UINT64_MAX, world.nat.tcp);
  BOOST_TEST(world.nat.tcp.window_scale == kWindowScaleMax);
}

BOOST_AUTO_TEST_SUITE_END()
