// Every frame once: each frame of each reference session is lost, comes twice, comes late or comes
// damaged in a run of its own, and each pair of frames within sixteen is lost together. Every run must
// bring every byte, or a RST or an ICMP error where an application broke the connection.
//
// A run that fails is named by its session and its faults; given those after `--`, the program does that
// run alone.
#include <boost/test/unit_test.hpp>
#include <iostream>

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

// As printed by to_string.
FaultDecision parse(const std::string& text) {
  const size_t first = text.find(':');
  const size_t second = text.find(':', first + 1);
  const size_t third = text.find(':', second + 1);
  BOOST_REQUIRE(third != std::string::npos);
  FaultDecision decision;
  const std::string kind = text.substr(0, first);
  for (auto i = static_cast<uint8_t>(Kind::kLose); i <= static_cast<uint8_t>(Kind::kTruncate);
       ++i) {
    if (kind == name_of(static_cast<Kind>(i))) decision.kind = static_cast<Kind>(i);
  }
  const bool up = text.substr(first + 1, second - first - 1) == "up";
  decision.stream = up ? SimLink::kUpStream : SimLink::kDownStream;
  decision.ordinal = std::stoull(text.substr(second + 1, third - second - 1));
  decision.argument = std::stoull(text.substr(third + 1));
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
  for (const Session& session : sessions) {
    if (session.name == suite.argv[1]) Sweep(session).run(faults);
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
