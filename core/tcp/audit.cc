#include "core/tcp/audit.hh"

#include "core/tcp/segment_writer.hh"
#include "core/tcp/tcp_proxy.hh"

namespace dashi {
namespace {

class Audit {
 public:
  Audit(const Connection& c, std::string& out) : c_(c), out_(out) {}

  void expect(bool holds, const char* rule) {
    if (holds) return;
    out_ += "tcp " + to_string(c_.guest) + " > " + to_string(c_.remote) + ' ';
    out_ += name_of(state_of(c_));
    out_ += ": broken: ";
    out_ += rule;
    out_ += '\n';
  }

 private:
  const Connection& c_;
  std::string& out_;
};

bool armed(Instant deadline) { return deadline != kNever; }

// Each timer runs in the states it is for, and in no other; of retransmission and persist timer at most
// one (RFC 9293 3.8.6.1), and one while something is unacknowledged, or nobody would ever repeat it: the
// first, unless the guest's window is closed.
void audit_timers(const Connection& c, const TcpConfig& config, const Awaited& awaited,
                  Audit& audit) {
  const Downlink& d = c.down;
  audit.expect(armed(c.linger_deadline) == (c.detached || c.reset_owed),
               "the linger timer runs iff the guest's side is over");
  if (c.reset_owed) return;  // all that is left of it is a RST
  const bool done = c.opening == Opening::kDone;
  const bool syn_sent = c.opening == Opening::kSynReceived || c.opening == Opening::kSynSent;
  const bool rto = armed(d.loss_deadline);
  const bool persist = armed(d.persist_deadline);
  audit.expect(armed(c.opening_deadline) == !done, "the opening timer runs iff it is opening");
  audit.expect(!rto || !persist, "at most one of retransmission and persist timer runs");
  audit.expect(!syn_sent || rto, "a SYN that was sent has a retransmission timer");
  audit.expect(!rto || c.outstanding() != 0,
               "the retransmission timer runs only while something is unacknowledged");
  audit.expect(!armed(d.retransmit_at) || c.outstanding() != 0,
               "a time to retransmit at is of something unacknowledged");
  audit.expect(!persist || (done && !c.detached && c.in_flight() == 0),
               "the persist timer runs only on an open connection with nothing in flight");
  audit.expect(
      !persist || d.window == 0 || c.outstanding() == 0,
      "the persist timer runs only while the window is closed, or too small for a segment");
  audit.expect(!armed(c.up.ack_deadline) || (done && !c.detached),
               "the delayed-ACK timer runs only on an open connection");
  audit.expect(!done || c.outstanding() == 0 || rto || persist || awaited.ready,
               "what is unacknowledged is waited for");
  audit.expect(c.keep_alive_probes == 0 || c.probed_at >= c.last_heard,
               "keep-alive probes are counted since the guest was heard");
  audit.expect(awaited.comes_up <= deadline_of(c, config), "every deadline comes up in time");
}

// Entries under its slot are its own, and none is left of who had the slot before.
void audit_entries(const Connection& c, const Awaited& awaited, Audit& audit) {
  audit.expect(awaited.comes_up == c.comes_up, "its entry among the timers is its own");
  audit.expect(awaited.ack_delayed == armed(c.up.ack_deadline),
               "it waits among the delayed ACKs iff it owes one");
}

// Nobody waits for the guest to ask: an ACK that is due leaves with the next flush, and a window that the
// guest believes closed (by less than a segment: RFC 9293 3.8.6.2) is told of once half of the most is free.
void audit_acks(const Connection& c, const TcpConfig& config, const Limits& limits,
                const Awaited& awaited, Audit& audit) {
  if (c.opening != Opening::kDone || c.detached) return;
  audit.expect(!c.up.ack_now || awaited.ready, "an ACK that is due is about to leave");
  if (c.up.state != UplinkState::kOpen || !c.held.empty()) return;
  const uint32_t most = receive_window_max(limits, c);
  const SeqNum next = c.receive_next();
  const uint32_t told = c.up.edge.after(next) ? bytes_between(next, c.up.edge) : 0;
  const uint32_t segment = config.mss == 0 ? c.down.mss : std::min(c.down.mss, config.mss);
  const bool closed = told < std::min(segment, most / 2);
  const bool news = closed && awaited.window_gain >= most / 2;
  audit.expect(!news || c.up.ack_now || armed(c.up.ack_deadline),
               "a closed window that can open is told of");
}

// The scoreboard covers what is unacknowledged once the connection is open, without a hole.
void audit_board(const Connection& c, Audit& audit) {
  const Downlink& d = c.down;
  const bool open = c.opening == Opening::kDone;
  SeqNum at = d.una;
  uint32_t sacked = 0;
  uint32_t lost = 0;
  uint32_t resent = 0;
  for (size_t i = 0; i < d.board.size(); ++i) {
    const Scoreboard::Run& run = d.board[i];
    audit.expect(run.first == at && run.last.after(run.first), "runs follow one another");
    audit.expect(!run.sacked || !run.lost, "what was SACKed is not lost");
    sacked += run.sacked ? run.bytes() : 0;
    lost += run.lost ? run.bytes() : 0;
    resent += run.resent ? 1 : 0;
    at = run.last;
  }
  audit.expect(!open || at == d.nxt, "the scoreboard covers what is unacknowledged");
  audit.expect(sacked == d.board.sacked_bytes() && lost == d.board.lost_bytes() &&
                   resent == d.board.resent_runs(),
               "the scoreboard counts what it holds");
}

void audit_numbers(const Connection& c, const Limits& limits, Audit& audit) {
  const Downlink& d = c.down;
  if (c.opening != Opening::kConnecting) {
    audit.expect(d.una.at_or_before(d.nxt), "SND.UNA <= SND.NXT");
  }
  audit.expect(!d.fin.has_value() || d.nxt.at_or_before(*d.fin + 1), "nothing follows a FIN");
  const bool fin_left = d.fin.has_value() && d.nxt == *d.fin + 1;
  audit.expect(fin_left == (d.state >= DownlinkState::kFinSent),
               "a FIN that left is known to have left");
  audit_board(c, audit);
  const bool open = c.opening == Opening::kDone;
  audit.expect(!open || (d.congestion.cwnd >= d.mss && d.congestion.ssthresh >= 2u * d.mss),
               "a segment may always leave, and ssthresh is two");  // RFC 5681 3.1
  audit.expect(plausible(c), "an archive of it would be believed");
  audit.expect(c.up.state < UplinkState::kFinReceived || c.up.fin.has_value(),
               "a FIN that was received has its number");
  const SeqNum rounded = c.up.edge + ((uint32_t{1} << c.up.shift) - 1);
  audit.expect(!c.up.offered.after(later(rounded, c.receive_next())),  // a FIN needs no window
               "the guest was told of less than a unit beyond what is meant");
  const SeqNum most = c.up.base + receive_window_max(limits, c);
  audit.expect(!c.up.edge.after(later(most, c.receive_next())),
               "what is meant is within the bound");
  audit.expect(c.up.gathered == 0, "nothing is gathered between turns");
  audit.expect(c.held.ranges() <= size_t{limits.tcp_reassembly_gaps} + 1,
               "ranges held are within Limits");
  audit.expect(c.held.extent() <= limits.tcp_uplink_bytes_each, "bytes held are within Limits");
  audit.expect(!c.held.empty() || c.held.blocks() == 0, "what holds no byte holds no memory");
}

}  // namespace

void audit(const Connection& c, const TcpConfig& config, const Limits& limits,
           const Awaited& awaited, std::string& out) {
  Audit audit(c, out);
  audit_timers(c, config, awaited, audit);
  audit_entries(c, awaited, audit);
  if (c.reset_owed) return;
  audit_numbers(c, limits, audit);
  audit_acks(c, config, limits, awaited, audit);
}

void TcpProxy::audit(std::string& out) const {
  uint32_t connecting = 0;
  uint32_t accepting = 0;
  uint32_t blocks = 0;
  for (uint32_t slot = room_.connections.next(0); slot != SlotBitmap::kNone;
       slot = room_.connections.next(slot + 1)) {
    const Connection& c = room_.connections[slot];
    connecting += c.opening == Opening::kConnecting ? 1 : 0;
    accepting += c.opening == Opening::kSynSent ? 1 : 0;
    blocks += c.held.blocks();
    dashi::audit(c, room_.config, room_.context.limits,
                 {room_.ready.test(slot), room_.timers.of(slot), room_.delayed_acks.contains(slot),
                  window_gain(room_, c)},
                 out);
  }
  if (blocks != room_.pool.taken()) out += "tcp: memory is held for no connection\n";
  if (connecting != connects_pending_) out += "tcp: connects pending are miscounted\n";
  if (accepting != accepts_pending_) out += "tcp: accepts pending are miscounted\n";
  if (accepting > room_.context.limits.tcp_accepts_pending) {
    out += "tcp: accepts pending are beyond Limits\n";
  }
}

}  // namespace dashi
