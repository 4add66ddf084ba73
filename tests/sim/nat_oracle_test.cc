// That the oracles can fail: each rule is broken on purpose, and told.
#include "sim/nat_oracle.hh"

#include "core/tcp/audit.hh"
#include "tests/sim/world_support.hh"

namespace dashi {

namespace {

using S = TcpState;

constexpr FlowId kFlow{FlowKind::kTcp, 3, 1};

TraceEvent traced(TraceEvent::Kind kind, uint32_t code) {
  TraceEvent event;
  event.kind = kind;
  event.flow = kFlow;
  event.code = code;
  return event;
}

TraceEvent told_state(S state) {
  return traced(TraceEvent::Kind::kFlowState, static_cast<uint32_t>(state));
}

// A connection of a guest's, then these states; what the oracle says.
std::vector<std::string> judge(std::initializer_list<S> states, bool forwarded) {
  NatOracle oracle(Limits{});
  oracle.observe(traced(TraceEvent::Kind::kFlowOpened, forwarded ? 1 : 0));
  for (const S state : states) oracle.observe(told_state(state));
  return oracle.violations();
}

// An open connection with bytes in flight and its retransmission timer running: nothing is wrong.
struct Subject {
  Subject() {
    c.opening = Opening::kDone;
    c.up.state = UplinkState::kOpen;
    c.up.shift = 7;
    c.down.state = DownlinkState::kOpen;
    c.down.una = SeqNum(1000);
    c.down.nxt = SeqNum(2448);
    c.down.mss = 1448;
    c.down.congestion.start(config, c.down.mss);
    c.down.board.sent(Instant(), c.down.una, c.down.nxt);
    c.down.loss_deadline = Instant(Duration(1s));
    awaited.comes_up = c.comes_up = Instant(Duration(1s));
  }
  // Broken rules, a line each.
  std::vector<std::string> lines() const {
    std::string out;
    audit(c, config, limits, awaited, out);
    std::vector<std::string> found;
    for (size_t from = 0, to = 0; (to = out.find('\n', from)) != std::string::npos; from = to + 1) {
      found.push_back(out.substr(from, to - from));
    }
    return found;
  }
  void expect_broken(const std::string& rule) const {
    const auto found = lines();
    for (const std::string& one : found) {
      if (one.find(rule) != std::string::npos) return;
    }
    BOOST_ERROR("not told: " << rule << "; " << found.size() << " others");
  }

  TcpConfig config;
  Limits limits;
  BlockPool pool{1u << 20};
  Connection c{kFlow, {}, {}, config, pool, 1u << 20, 64};
  Awaited awaited;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(nat_oracle)

BOOST_AUTO_TEST_CASE(every_way_to_close_that_the_rfc_knows_is_legal) {
  BOOST_TEST(
      judge({S::kSynReceived, S::kEstablished, S::kCloseWait, S::kLastAck, S::kClosed}, false)
          .empty());
  BOOST_TEST(
      judge({S::kSynReceived, S::kEstablished, S::kFinWait1, S::kFinWait2, S::kTimeWait}, false)
          .empty());
  BOOST_TEST(
      judge({S::kSynSent, S::kEstablished, S::kFinWait1, S::kClosing, S::kTimeWait}, true).empty());
  BOOST_TEST(judge({S::kSynReceived, S::kFinWait1}, false).empty());
  BOOST_TEST(judge({S::kSynReceived, S::kCloseWait}, false).empty());
  BOOST_TEST(judge({S::kSynReceived, S::kEstablished, S::kFinWait1, S::kTimeWait}, false).empty());
}

BOOST_AUTO_TEST_CASE(an_illegal_transition_is_told_with_both_states) {
  const auto back = judge({S::kSynReceived, S::kEstablished, S::kFinWait1, S::kEstablished}, false);
  BOOST_REQUIRE(back.size() == 1u);
  BOOST_TEST(back[0] == "tcp 3.1: no legal transition: FIN-WAIT-1 to ESTABLISHED");
  BOOST_TEST(judge({S::kSynReceived, S::kCloseWait, S::kFinWait2}, false).size() == 1u);
  BOOST_TEST(judge({S::kSynReceived, S::kFinWait1, S::kCloseWait}, false).size() == 1u);
  BOOST_TEST(judge({S::kSynReceived, S::kCloseWait, S::kLastAck, S::kTimeWait}, false).size() ==
             1u);
  BOOST_TEST(judge({S::kEstablished}, false).size() == 1u);  // from nothing
  BOOST_TEST(judge({S::kSynReceived}, true).size() == 1u);   // the Nat called
  BOOST_TEST(judge({S::kSynSent}, false).size() == 1u);      // the guest called
}

// Each step is told when it is made: a state that is only reached over another one was entered wrongly.
BOOST_AUTO_TEST_CASE(a_state_that_was_passed_over_is_told) {
  const auto unsent = judge({S::kSynReceived, S::kEstablished, S::kFinWait2}, false);
  BOOST_REQUIRE(unsent.size() == 1u);  // a FIN acknowledged that was not sent
  BOOST_TEST(unsent[0] == "tcp 3.1: no legal transition: ESTABLISHED to FIN-WAIT-2");
  BOOST_TEST(judge({S::kSynReceived, S::kEstablished, S::kLastAck}, false).size() == 1u);
  BOOST_TEST(judge({S::kSynReceived, S::kEstablished, S::kClosing}, false).size() == 1u);
  BOOST_TEST(judge({S::kSynReceived, S::kEstablished, S::kCloseWait, S::kClosed}, false).size() ==
             1u);
  BOOST_TEST(judge({S::kSynReceived, S::kLastAck}, false).size() == 1u);
  BOOST_TEST(judge({S::kSynSent, S::kFinWait1}, true).size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_connection_that_is_not_open_has_no_state_and_no_end) {
  NatOracle oracle(Limits{});
  oracle.observe(told_state(S::kEstablished));
  oracle.observe(traced(TraceEvent::Kind::kFlowClosed, 0));
  oracle.observe(traced(TraceEvent::Kind::kFlowOpened, 0));
  oracle.observe(traced(TraceEvent::Kind::kFlowOpened, 0));
  BOOST_TEST(oracle.violations().size() == 3u);
}

BOOST_AUTO_TEST_CASE(a_record_in_time_wait_ends_in_closed_once) {
  NatOracle oracle(Limits{});
  const auto record = static_cast<uint32_t>(TcpOrigin::kTimeWait);
  oracle.observe(traced(TraceEvent::Kind::kFlowOpened, record));
  oracle.observe(traced(TraceEvent::Kind::kFlowClosed, static_cast<uint32_t>(S::kClosed)));
  BOOST_TEST(oracle.violations().empty());
  const auto& from_time_wait = oracle.transitions()[static_cast<size_t>(S::kTimeWait)];
  BOOST_TEST(from_time_wait[static_cast<size_t>(S::kClosed)] == 1u);
  oracle.observe(traced(TraceEvent::Kind::kFlowClosed, static_cast<uint32_t>(S::kClosed)));
  BOOST_TEST(oracle.violations().size() == 1u);
  oracle.observe(traced(TraceEvent::Kind::kFlowOpened, record));
  oracle.after_turn(World(WorldConfig{}).nat());
  BOOST_REQUIRE(oracle.violations().size() == 2u);
  BOOST_TEST(oracle.violations()[1] == "TIME-WAIT: 0 entries, told of 1");
}

BOOST_AUTO_TEST_CASE(a_table_beyond_its_limit_is_told_after_the_turn) {
  World world(WorldConfig{});
  BOOST_REQUIRE(world.configure(10s));
  for (int i = 0; i < 3; ++i) {
    world.guest().connect({world.address("server", Family::kIpv4), Port{7}},
                          app(AppKind::kEchoClient, 100'000));
  }
  world.run_for(2ms);
  BOOST_REQUIRE(world.nat().flow_counts().tcp == 3u);
  Limits two;
  two.tcp_connections = 2;
  NatOracle oracle(two);
  oracle.after_turn(world.nat());
  BOOST_REQUIRE(oracle.violations().size() == 2u);  // and that it was told of none of them
  BOOST_TEST(oracle.violations()[0] == "TCP connections: 3 entries, limit 2");
  BOOST_TEST(world.violations().empty());
}

BOOST_AUTO_TEST_CASE(every_table_is_held_to_its_own_limit) {
  Limits none;
  none.tcp_connections = none.tcp_time_wait = none.udp_endpoints = 0;
  none.echo_ids = none.dns_queries = 0;
  for (const FlowCounts counts :
       {FlowCounts{1, 0, 0, 0, 0}, FlowCounts{0, 1, 0, 0, 0}, FlowCounts{0, 0, 1, 0, 0},
        FlowCounts{0, 0, 0, 1, 0}, FlowCounts{0, 0, 0, 0, 1}}) {
    NatOracle oracle(none);
    oracle.expect_within_limits(counts);
    BOOST_TEST(oracle.violations().size() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(an_event_of_a_flow_that_is_over_must_be_dropped) {
  World world(WorldConfig{});
  const SocketEvent event{kFlow, SocketEvent::Kind::kReadable, {}};
  NatOracle dropped(Limits{});
  dropped.before_events(world.nat(), {&event, 1});
  world.nat().handle_sockets(world.now(), {&event, 1});
  dropped.after_turn(world.nat());
  BOOST_TEST(dropped.violations().empty());
  NatOracle taken(Limits{});  // by whom ever: the Nat does not say that it dropped it
  taken.before_events(world.nat(), {&event, 1});
  taken.after_turn(world.nat());
  BOOST_REQUIRE(taken.violations().size() == 1u);
  BOOST_TEST(taken.violations()[0] == "an event of a flow that is over was taken for another's");
  NatOracle open(Limits{});
  open.observe(traced(TraceEvent::Kind::kFlowOpened, 0));
  open.before_events(world.nat(), {&event, 1});
  open.after_turn(world.nat());
  BOOST_REQUIRE(open.violations().size() == 1u);  // the Nat has no such connection
  BOOST_TEST(open.violations()[0] == "TCP connections: 0, told of 1");
}

BOOST_AUTO_TEST_CASE(what_the_oracle_sees_is_a_violation_of_its_world) {
  World world(WorldConfig{});
  world.oracle().observe(told_state(S::kEstablished));
  BOOST_REQUIRE(world.violations().size() == 1u);
  BOOST_TEST(world.violations()[0].find("not open") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_is_left_of_an_earlier_wait_is_told) {
  Subject stale;
  stale.c.down.una = stale.c.down.nxt;
  stale.c.down.board = Scoreboard();
  stale.c.down.loss_deadline = kNever;
  BOOST_TEST(stale.lines().empty());
  stale.c.down.retransmit_at = Instant(Duration(1s));
  stale.expect_broken("a time to retransmit at is of something unacknowledged");

  Subject heard;
  heard.c.keep_alive_probes = 1;
  heard.c.probed_at = Instant(Duration(2s));
  heard.c.last_heard = Instant(Duration(1s));
  BOOST_TEST(heard.lines().empty());
  heard.c.last_heard = Instant(Duration(3s));
  heard.expect_broken("keep-alive probes are counted since the guest was heard");

  Subject probe;
  probe.c.down.fin = probe.c.down.nxt - 1;
  probe.expect_broken("a FIN that left is known to have left");
  probe.c.down.state = DownlinkState::kFinSent;
  BOOST_TEST(probe.lines().empty());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(connection_audit)

BOOST_AUTO_TEST_CASE(a_sound_connection_breaks_nothing) { BOOST_TEST(Subject().lines().empty()); }

BOOST_AUTO_TEST_CASE(two_timers_where_one_may_run_are_told) {
  Subject s;
  s.c.down.persist_deadline = s.c.down.loss_deadline;
  s.expect_broken("at most one of retransmission and persist timer");
  s.expect_broken("the persist timer runs only on");  // something is in flight
  s.c.down.window = 1;
  s.c.down.board.mark_lost(s.c.down.una, s.c.down.nxt);
  s.c.down.loss_deadline = kNever;  // nothing is, but what was lost may go
  s.expect_broken("the persist timer runs only while the window is closed");
  s.c.down.window = 0;
  BOOST_TEST(s.lines().empty());
}

BOOST_AUTO_TEST_CASE(a_timer_of_another_state_is_told) {
  const Instant at = Instant(Duration(1s));
  Subject opening;
  opening.c.opening_deadline = at;
  opening.expect_broken("the opening timer runs iff");
  Subject lingers;
  lingers.c.linger_deadline = at;
  lingers.expect_broken("the linger timer runs iff");
  Subject owed;
  owed.c.reset_owed = true;
  owed.expect_broken("the linger timer runs iff");
  Subject unsent;
  unsent.c.opening = Opening::kConnecting;
  unsent.c.opening_deadline = unsent.c.up.ack_deadline = at;
  unsent.expect_broken("the delayed-ACK timer runs only on");
  Subject idle;
  idle.c.down.una = idle.c.down.nxt;
  idle.c.down.board.clear();
  idle.expect_broken("the retransmission timer runs only while");
}

BOOST_AUTO_TEST_CASE(a_timer_that_nobody_armed_is_told) {
  Subject s;
  s.c.down.loss_deadline = kNever;
  s.expect_broken("what is unacknowledged is waited for");
  s.awaited.ready = true;
  BOOST_TEST(s.lines().empty());
  Subject syn;
  syn.c.opening = Opening::kSynReceived;
  syn.c.opening_deadline = Instant(Duration(2s));
  syn.c.down.loss_deadline = kNever;
  syn.expect_broken("a SYN that was sent has a retransmission timer");
  Subject late;
  late.awaited.comes_up = kNever;
  late.expect_broken("every deadline comes up in time");
}

BOOST_AUTO_TEST_CASE(an_entry_of_the_slots_former_tenant_is_told) {
  Subject s;
  s.awaited.comes_up = Instant(Duration(500ms));
  s.expect_broken("its entry among the timers is its own");
  Subject delayed;
  delayed.awaited.ack_delayed = true;
  delayed.expect_broken("it waits among the delayed ACKs iff");
  delayed.c.up.ack_deadline = Instant(Duration(40ms));
  BOOST_TEST(delayed.lines().empty());
}

BOOST_AUTO_TEST_CASE(an_ack_that_is_due_and_that_nobody_sends_is_told) {
  Subject s;
  s.c.up.ack_now = true;
  s.expect_broken("an ACK that is due is about to leave");
  s.awaited.ready = true;
  BOOST_TEST(s.lines().empty());
}

BOOST_AUTO_TEST_CASE(a_closed_window_that_nobody_opens_is_told) {
  Subject s;
  s.c.up.edge = s.c.up.offered = s.c.up.base + 100;
  s.awaited.window_gain = s.c.up.window / 2;
  s.expect_broken("a closed window that can open is told of");
  Subject little;
  little.c.up.edge = little.c.up.offered = little.c.up.base;
  little.awaited.window_gain = little.c.up.window / 2 - 1;
  BOOST_TEST(little.lines().empty());
  s.c.up.ack_deadline = Instant(Duration(40ms));
  s.awaited.ack_delayed = true;
  BOOST_TEST(s.lines().empty());  // the ACK that is owed tells it
  Subject open;
  open.c.up.edge = open.c.up.offered = open.c.up.base + open.c.down.mss;
  open.awaited.window_gain = open.c.up.window / 2;
  BOOST_TEST(open.lines().empty());
}

BOOST_AUTO_TEST_CASE(a_window_that_is_told_beyond_what_is_meant_is_told) {
  Subject s;
  s.c.up.offered = s.c.up.edge + 127;
  BOOST_TEST(s.lines().empty());
  s.c.up.offered = s.c.up.edge + 128;
  s.expect_broken("less than a unit beyond what is meant");
  Subject meant;
  meant.c.up.edge = meant.c.up.offered = meant.c.up.base + meant.c.up.window;
  BOOST_TEST(meant.lines().empty());
  meant.c.up.edge += 1;
  meant.expect_broken("what is meant is within the bound");
}

BOOST_AUTO_TEST_CASE(a_congestion_window_that_lets_nothing_leave_is_told) {
  Subject s;
  s.c.down.congestion.cwnd = s.c.down.mss;
  s.c.down.congestion.ssthresh = 2u * s.c.down.mss;
  BOOST_TEST(s.lines().empty());
  s.c.down.congestion.cwnd = 0;
  s.expect_broken("a segment may always leave");
  s.expect_broken("an archive of it would be believed");
}

BOOST_AUTO_TEST_CASE(numbers_out_of_order_are_told) {
  Subject s;
  s.c.down.una = s.c.down.nxt + 1;
  s.expect_broken("SND.UNA <= SND.NXT");
  Subject fin;
  fin.c.down.fin = fin.c.down.una;
  fin.expect_broken("nothing follows a FIN");
  Subject hole;
  hole.c.down.nxt += 1;
  hole.expect_broken("the scoreboard covers what is unacknowledged");
  Subject lost;
  lost.c.down.board.mark_lost(lost.c.down.una, lost.c.down.nxt);
  BOOST_TEST(lost.lines().empty());
  lost.c.down.persist_deadline = lost.c.down.loss_deadline;
  lost.expect_broken("at most one of retransmission and persist timer");
  Subject numberless;
  numberless.c.up.state = UplinkState::kFinReceived;
  numberless.c.up.fin.reset();
  numberless.c.up.gathered = 1;
  numberless.expect_broken("a FIN that was received");
  numberless.expect_broken("nothing is gathered");
}

BOOST_AUTO_TEST_CASE(more_held_than_limits_allow_is_told) {
  Subject s;
  const std::vector<uint8_t> bytes(100, 1);
  for (size_t i = 0; i < 3; ++i) s.c.held.insert(1000 * (i + 1), bytes);
  BOOST_TEST(s.lines().empty());
  s.limits.tcp_reassembly_gaps = 1;
  s.limits.tcp_uplink_bytes_each = 2000;
  s.expect_broken("ranges held");
  s.expect_broken("bytes held");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
