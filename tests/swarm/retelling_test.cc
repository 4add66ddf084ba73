// A run told as a script is that run when the script is run: every frame of the Nat's, at its time.
#include <boost/test/unit_test.hpp>

#include "sim/script/parser.hh"
#include "sim/script/retelling.hh"
#include "sim/script/runner.hh"
#include "tests/swarm/sessions.hh"

namespace dashi {

namespace {

using Kind = FaultDecision::Kind;

unsigned told_whole = 0;  // scripts that leave nothing out

std::string told(const Plan& plan) {
  Performance performance(plan);
  script::Retelling retelling(performance.world());
  BOOST_TEST(performance.run().empty());
  return retelling.script("", performance.over_at());
}

// Empty: the script runs as it is written.
std::string difference(const std::string& text) {
  const auto script = script::parse(text);
  if (!script.ok()) {
    return std::to_string(script.error().where.line) + ": " + script.error().message;
  }
  script::RunOptions options;
  options.family = *script::family_of(*script);
  const script::Outcome outcome = script::run(*script, options);
  if (outcome.kind == script::Outcome::Kind::kPass) return "";
  return std::to_string(outcome.where.line) + ": " + outcome.reason;
}

void check(const Session& session, const std::vector<FaultDecision>& faults) {
  Plan plan = session.plan;
  plan.config.given_faults = faults;
  const std::string text = told(plan);
  if (text.find("// Not told here") != std::string::npos) return;
  ++told_whole;
  const std::string differs = difference(text);
  BOOST_TEST(differs.empty(), session.name << " differs in line " << differs << "\n" << text);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(retelling)

BOOST_AUTO_TEST_CASE(a_script_of_a_session_is_that_session_again) {
  for (const Session& session : reference_sessions()) check(session, {});
  BOOST_TEST(told_whole >= 36u);
}

BOOST_AUTO_TEST_CASE(several_flows_are_told_by_their_ports) {
  const std::vector<Session> sessions = reference_sessions();
  const size_t families = sessions.size() / 2;  // IPv4's first
  for (size_t i = 0; i + 1 < sessions.size(); ++i) {
    // What two flows say in one instant has no order that a script could keep, and how much a write
    // takes of a bounded buffer depends on it.
    const std::string& name = sessions[i].name;
    const bool meets = name == "sack-up-v4" || name.rfind("zero-window", 0) == 0;
    if (i + 1 == families || meets) continue;
    Session both{sessions[i].name + " and " + sessions[i + 1].name, sessions[i].plan};
    both.plan.exchanges.push_back(sessions[i + 1].plan.exchanges[0]);
    check(both, {});
  }
}

BOOST_AUTO_TEST_CASE(faults_of_the_link_are_told) {
  for (const Session& session : reference_sessions()) {
    for (const uint64_t frame : {uint64_t{4}, uint64_t{7}}) {
      check(session, {{SimLink::kUpStream, Kind::kLose, frame, 0}});
      check(session, {{SimLink::kUpStream, Kind::kDuplicate, frame, 0}});
      check(session, {{SimLink::kUpStream, Kind::kHold, frame, 2}});
      check(session, {{SimLink::kUpStream, Kind::kSmashChecksum, frame, 0x100}});
      check(session, {{SimLink::kDownStream, Kind::kLose, frame, 0}});
      check(session, {{SimLink::kDownStream, Kind::kDelay, frame, 30'000'000}});
    }
  }
}

BOOST_AUTO_TEST_CASE(faults_of_the_calls_are_told) {
  for (const Session& session : reference_sessions()) {
    for (uint64_t call = 2; call < 8; ++call) {
      check(session, {{SocketCallFaults::kStream, Kind::kWouldBlock, call, 5'000'000}});
      check(session, {{SocketCallFaults::kStream, Kind::kShortWrite, call, 100}});
    }
  }
}

BOOST_AUTO_TEST_CASE(a_nat_that_is_late_and_a_path_of_a_rate_are_told) {
  const unsigned before = told_whole;
  for (Session session : reference_sessions()) {
    session.plan.config.turns_late = 3ms;
    check(session, {});
    session.plan.config.turns_late = {};
    session.plan.config.net.hosts[0].path.rate_bps = 12'000'000;
    check(session, {});
  }
  BOOST_TEST(told_whole - before >= 64u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
