// Every named world: the same twice in a process, the same in a fresh process, and a planted
// difference is found and named.
#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

#include "sim/named_worlds.hh"

namespace dashi {

namespace {

std::string digest_line(const NamedWorld& world, const Digest& digest) {
  return std::string(world.name) + " " + to_string(digest.value()) + " " +
         std::to_string(digest.events()) + "\n";
}

std::string run_digests() {
  std::string lines;
  for (const NamedWorld& world : named_worlds()) {
    lines += digest_line(world, run_named(world, DigestOptions{}));
  }
  return lines;
}

// From lines "NAME DIGEST EVENTS".
std::map<std::string, std::string> digests_of(std::istream& lines) {
  std::map<std::string, std::string> digests;
  std::string line;
  while (std::getline(lines, line)) {
    const size_t space = line.find(' ');
    if (space != std::string::npos) digests[line.substr(0, space)] = line.substr(space + 1);
  }
  return digests;
}

// What differs between committed lines and those of this build, a line for people each.
std::vector<std::string> unlike(const std::string& committed, const std::string& now) {
  std::istringstream committed_lines(committed);
  std::istringstream now_lines(now);
  auto then = digests_of(committed_lines);
  std::vector<std::string> found;
  const auto tell = [&found](const std::string& world, const std::string& was,
                             const std::string& is) {
    found.push_back("world " + world + ": committed " + was + ", now " + is +
                    " (digest, events); after an intended change './dev bless' renews it");
  };
  for (const auto& [world, digest] : digests_of(now_lines)) {
    auto node = then.extract(world);
    const std::string was = node.empty() ? "nothing" : node.mapped();
    if (was != digest) tell(world, was, digest);
  }
  for (const auto& [world, digest] : then) tell(world, digest, "nothing");
  return found;
}

std::string output_of(const std::string& command, int& status) {
  std::string output;
  std::FILE* pipe = popen(command.c_str(), "r");
  BOOST_REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) output += buffer.data();
  status = pclose(pipe);
  return output;
}

// The plain world, with one byte more in the upload of its second half if `planted`.
Digest run_planted(const DigestOptions& options, bool planted) {
  WorldConfig config;
  config.digest = options;
  World world(config);
  DASHI_CHECK(world.configure(10s));
  AppSpec upload;
  upload.kind = AppKind::kSource;
  upload.bytes = 500'000;
  const Endpoint sink{world.address("server", Family::kIpv4), Port{9}};
  world.guest().connect(sink, upload);
  world.run_for(20ms);
  if (planted) world.guest().send_udp(Port{1234}, sink, std::array<uint8_t, 3>{'b', 'u', 'g'}, 64);
  world.run_for(10s);
  return std::move(world.digest());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(determinism)

BOOST_AUTO_TEST_CASE(every_named_world_is_the_same_twice_in_a_process) {
  BOOST_TEST(named_worlds().size() <= 10u);
  for (const NamedWorld& world : named_worlds()) {
    BOOST_TEST_CONTEXT(world.name) {
      const auto run = [&world](const DigestOptions& options) { return run_named(world, options); };
      const auto difference = find_difference(run, run);
      BOOST_TEST(!difference.has_value());
      if (difference.has_value()) BOOST_TEST_MESSAGE(to_string(*difference));
    }
  }
}

BOOST_AUTO_TEST_CASE(every_named_world_is_the_same_in_a_fresh_process) {
  int status = 0;
  const std::string there = output_of(std::string(DASHI_LAB) + " digest", status);
  BOOST_TEST(status == 0);
  BOOST_TEST(there == run_digests());
}

BOOST_AUTO_TEST_CASE(every_named_world_has_its_committed_digest) {
  std::ifstream file(DASHI_SOURCE_DIR "/tests/determinism/digests.txt");
  BOOST_REQUIRE(file.good());
  std::ostringstream committed;
  committed << file.rdbuf();
  for (const std::string& difference : unlike(committed.str(), run_digests())) {
    BOOST_ERROR(difference);
  }
}

BOOST_AUTO_TEST_CASE(a_moved_digest_is_told_with_its_world_both_digests_and_the_way_to_renew_it) {
  BOOST_TEST(unlike("a 1 9\nb 2 9\n", "a 1 9\nb 2 9\n").empty());
  const auto moved = unlike("a 1 9\nb 2 9\nold 4 9\n", "a 1 9\nb 3 8\nnew 5 9\n");
  BOOST_REQUIRE(moved.size() == 3u);
  BOOST_TEST(moved[0] ==
             "world b: committed 2 9, now 3 8 (digest, events); after an intended change "
             "'./dev bless' renews it");
  BOOST_TEST(moved[1].starts_with("world new: committed nothing, now 5 9"));
  BOOST_TEST(moved[2].starts_with("world old: committed 4 9, now nothing"));
}

BOOST_AUTO_TEST_CASE(named_worlds_hold_to_what_no_run_may_do_and_are_not_trivial) {
  for (const NamedWorld& named : named_worlds()) {
    BOOST_TEST_CONTEXT(named.name) {
      World world(named.config());
      named.run(world);
      for (const std::string& violation : world.violations()) BOOST_ERROR(violation);
      for (const std::string& leak : world.leaks(10min)) BOOST_ERROR(leak);
      BOOST_TEST(world.digest().events() > 300u);
    }
  }
}

BOOST_AUTO_TEST_CASE(another_seed_is_another_run) {
  const NamedWorld& named = *find_named_world("bad-link");
  WorldConfig config = named.config();
  World first(config);
  named.run(first);
  config.seed += 1;
  World second(config);
  named.run(second);
  BOOST_TEST((first.digest().value() != second.digest().value()));
}

BOOST_AUTO_TEST_CASE(a_planted_difference_is_bisected_to_its_first_event_and_named) {
  const auto difference =
      find_difference([](const DigestOptions& options) { return run_planted(options, false); },
                      [](const DigestOptions& options) { return run_planted(options, true); });
  BOOST_REQUIRE(difference.has_value());
  BOOST_REQUIRE(difference->right.has_value());
  // The datagram is the first thing that only one of the two runs has.
  BOOST_TEST((difference->right->kind == DigestKind::kFrameUp));
  const std::vector<uint8_t>& frame = difference->right->bytes;
  BOOST_REQUIRE(frame.size() >= 3u);
  BOOST_TEST(std::string(frame.end() - 3, frame.end()) == "bug");
  const std::string named = to_string(*difference);
  BOOST_TEST(named.find("first difference at event") != std::string::npos);
  BOOST_TEST(named.find("frame-up") != std::string::npos);
  BOOST_TEST_MESSAGE(named);
}

BOOST_AUTO_TEST_CASE(the_lab_says_what_it_cannot_do_and_exits_2) {
  const std::string lab = DASHI_LAB;
  for (const char* arguments : {"", " nonsense", " digest nobody", " worlds too-many"}) {
    int status = 0;
    const std::string said = output_of(lab + arguments + " 2>&1", status);
    BOOST_TEST(status == 2 << 8);
    BOOST_TEST(said.starts_with("dashi-lab: "));
    BOOST_TEST(said.find('\n') == said.size() - 1, "more than a line: " << said);
  }
  int status = 0;
  for (const char* arguments : {" --help", " digest --help", " pkt --help", " worlds -h"}) {
    BOOST_TEST(output_of(lab + arguments, status).find("digest") != std::string::npos);
    BOOST_TEST(status == 0);
  }
  BOOST_TEST(output_of(lab + " worlds", status).find("bad-link") != std::string::npos);
  BOOST_TEST(output_of(lab + " worlds 2>&1 >/dev/full", status) ==
             "dashi-lab: standard output: No space left on device\n");
  BOOST_TEST(status == 1 << 8);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
