// Every frame once: each frame of each reference session is lost, comes twice, comes late or comes
// damaged in a run of its own, and each pair of frames within sixteen is lost together. Every run must
// bring every byte, or a RST or an ICMP error where an application broke the connection.
//
// A run that fails is named by its session and its faults; given those after `--`, the program does that
// run alone.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <iostream>
#include <sstream>

#include "tests/swarm/sessions.hh"

namespace dashi {

namespace {

using Kind = FaultDecision::Kind;
using FrameName = Performance::FrameName;

constexpr size_t kPairDistance = 16;  // frames
constexpr int kMostFailures = 20;     // then the rest is not worth printing

FaultDecision fault(const FrameName& frame, Kind kind, uint64_t argument) {
  return {frame.stream, kind, frame.ordinal, argument};
}

std::string to_string(const FaultDecision& decision) {
  return std::string(name_of(decision.kind)) +
         (decision.stream == SimLink::kUpStream ? ":up:" : ":down:") +
         std::to_string(decision.ordinal) + ":" + std::to_string(decision.argument);
}

// As printed by to_string; anything else is an error, for a run without the fault would be green.
FaultDecision parse(const std::string& text) {
  std::istringstream left(text);
  std::string kind;
  std::string way;
  char colon = 0;
  FaultDecision decision;
  std::getline(left, kind, ':');
  std::getline(left, way, ':');
  left >> decision.ordinal >> colon >> decision.argument;
  decision.stream = way == "up" ? SimLink::kUpStream : SimLink::kDownStream;
  for (auto i = static_cast<uint8_t>(Kind::kLose); i <= static_cast<uint8_t>(Kind::kTruncate);
       ++i) {
    decision.kind = static_cast<Kind>(i);
    if (to_string(decision) == text) return decision;
  }
  BOOST_FAIL("no such fault: " + text);
  return decision;
}

class Sweep {
 public:
  explicit Sweep(const Session& session) : session_(session) {}

  // The frames of the run that has these faults, in order.
  std::vector<FrameName> frames_of(const std::vector<FaultDecision>& faults) {
    Performance performance(plan_with(faults));
    check(performance.run_noting_frames(), faults);
    return performance.frames();
  }
  void run(const std::vector<FaultDecision>& faults) {
    check(Performance(plan_with(faults)).run(), faults);
  }
  uint64_t runs() const { return runs_; }

 private:
  Plan plan_with(const std::vector<FaultDecision>& faults) const {
    Plan plan = session_.plan;
    plan.config.given_faults = faults;
    return plan;
  }
  void check(const std::vector<std::string>& broken, const std::vector<FaultDecision>& faults) {
    ++runs_;
    if (broken.empty() || ++failures_ > kMostFailures) return;
    std::string command = "test_every_frame_once -- " + session_.name;
    for (const FaultDecision& decision : faults) command += " " + to_string(decision);
    for (const std::string& what : broken) command += "\n    " + what;
    BOOST_ERROR(command);
  }

  const Session& session_;
  uint64_t runs_ = 0;
  int failures_ = 0;
};

// A bit in each part of a frame, and its checksum, and its end.
void damage_frame(Sweep& sweep, const FrameName& frame) {
  constexpr uint64_t kBytes[] = {3, 8, 13, 15, 17, 20, 22, 31, 36, 39, 44, 47, 51, 57, 61, 67, 100};
  for (const uint64_t byte : kBytes) {
    sweep.run({fault(frame, Kind::kFlipBit, 8 * byte + frame.ordinal % 8)});
  }
  sweep.run({fault(frame, Kind::kSmashChecksum, 0x0100)});
  sweep.run({fault(frame, Kind::kTruncate, 33)});
  sweep.run({fault(frame, Kind::kTruncate, 57)});
}

uint64_t run_session(const Session& session) {
  Sweep sweep(session);
  for (const FrameName& frame : sweep.frames_of({})) {
    const FaultDecision lost = fault(frame, Kind::kLose, 0);
    const std::vector<FrameName> then = sweep.frames_of({lost});
    const auto at = std::find_if(then.begin(), then.end(), [&](const FrameName& other) {
      return other.stream == frame.stream && other.ordinal == frame.ordinal;
    });
    for (size_t i = 1; i <= kPairDistance && i < static_cast<size_t>(then.end() - at); ++i) {
      sweep.run({lost, fault(at[static_cast<std::ptrdiff_t>(i)], Kind::kLose, 0)});
    }
    sweep.run({fault(frame, Kind::kDuplicate, 0)});
    for (const uint64_t hold : {uint64_t{1}, uint64_t{2}, uint64_t{3}}) {
      sweep.run({fault(frame, Kind::kHold, hold)});
    }
    for (const Duration late : {Duration(2ms), Duration(30ms), Duration(1500ms)}) {
      sweep.run({fault(frame, Kind::kDelay, static_cast<uint64_t>(late.count()))});
    }
    damage_frame(sweep, frame);
  }
  return sweep.runs();
}

// One run, as a failure names it. False: nothing was asked for.
bool run_as_asked(const std::vector<Session>& sessions) {
  const auto& suite = boost::unit_test::framework::master_test_suite();
  if (suite.argc < 2) return false;
  std::vector<FaultDecision> faults;
  for (int i = 2; i < suite.argc; ++i) faults.push_back(parse(suite.argv[i]));
  const auto session =
      std::find_if(sessions.begin(), sessions.end(),
                   [&](const Session& candidate) { return candidate.name == suite.argv[1]; });
  BOOST_REQUIRE_MESSAGE(session != sessions.end(), "no such session: " << suite.argv[1]);
  const std::vector<FrameName> frames = Sweep(*session).frames_of(faults);
  for (const FaultDecision& asked : faults) {
    const bool met = std::any_of(frames.begin(), frames.end(), [&](const FrameName& frame) {
      return frame.stream == asked.stream && frame.ordinal == asked.ordinal;
    });
    BOOST_REQUIRE_MESSAGE(met, "no such frame: " << to_string(asked));
  }
  return true;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(every_frame_once)

BOOST_AUTO_TEST_CASE(whatever_becomes_of_a_frame_all_bytes_arrive_or_the_end_is_told) {
  const std::vector<Session> sessions = reference_sessions();
  if (run_as_asked(sessions)) return;
  uint64_t runs = 0;
  for (const Session& session : sessions) runs += run_session(session);
  std::cout << runs << " worlds of " << sessions.size() << " sessions\n";
  BOOST_TEST(runs > 10'000u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
