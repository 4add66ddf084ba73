// Connections as text, for people. Part of TcpProxy.
#include "core/tcp/tcp_proxy.hh"

namespace dashi {
namespace {

void add(std::string& out, const char* name, uint64_t value) {
  out += ' ';
  out += name;
  out += '=';
  out += std::to_string(value);
}

void add_ms(std::string& out, const char* name, Duration value) {
  add(out, name, static_cast<uint64_t>(value.count() / 1'000'000));
  out += "ms";
}

}  // namespace

void TcpProxy::dump(std::string& out, Instant now) const {
  for (uint32_t slot = room_.connections.next(0); slot != SlotBitmap::kNone;
       slot = room_.connections.next(slot + 1)) {
    const Connection& c = room_.connections[slot];
    out += "tcp " + to_string(c.guest) + " > " + to_string(c.remote) + ' ';
    out += name_of(state_of(c));
    if (c.opening == Opening::kConnecting) out += " (host connecting)";
    if (c.detached) out += " (host draining)";
    if (c.reset_owed) out += " (reset owed)";
    add(out, "snd.una", c.down.una.raw());
    add(out, "snd.nxt", c.down.nxt.raw());
    add(out, "snd.wnd", c.down.window);
    add(out, "cwnd", c.down.congestion.cwnd);
    add(out, "rcv.nxt", c.receive_next().raw());
    add(out, "rcv.wnd",
        c.up.offered.after(c.receive_next()) ? bytes_between(c.receive_next(), c.up.offered) : 0);
    add(out, "held", c.held.contiguous());
    add(out, "gaps", c.held.ranges() - (c.held.contiguous() != 0 ? 1 : 0));
    add_ms(out, "rto", c.rtt.rto());
    add_ms(out, "srtt", c.rtt.smoothed());
    if (c.down.loss_deadline != kNever) add_ms(out, "rto-in", c.down.loss_deadline - now);
    if (c.down.persist_deadline != kNever) add_ms(out, "probe-in", c.down.persist_deadline - now);
    if (c.socket != nullptr) {
      const HostTcpInfo info = c.socket->info();
      add(out, "host.unsent", info.unsent_bytes);
      add(out, "host.unacked", info.unacked_bytes);
    }
    out += '\n';
  }
  for (uint32_t i = time_wait_.next(0); i != SlotBitmap::kNone; i = time_wait_.next(i + 1)) {
    const TimeWait& record = time_wait_[i];
    out += "tcp " + to_string(guest_of(record.key)) + " > " + to_string(remote_of(record.key));
    out += " TIME-WAIT";
    add(out, "snd.nxt", record.snd_nxt.raw());
    add(out, "rcv.nxt", record.rcv_nxt.raw());
    add_ms(out, "for", record.expires - now);
    out += '\n';
  }
  for (uint32_t i = forwards_.next(0); i != SlotBitmap::kNone; i = forwards_.next(i + 1)) {
    out += "tcp-forward " + to_string(forwards_[i].host) + " > port " +
           std::to_string(forwards_[i].guest_port.number) + '\n';
  }
}

}  // namespace dashi
