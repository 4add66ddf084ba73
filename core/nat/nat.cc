#include "core/nat/nat.hh"

#include <algorithm>

#include "core/nat/dispatch.hh"
#include "core/nat/rooms.hh"

namespace dashi {
namespace {

constexpr uint32_t kArchiveVersion = 11;

Secrets draw_secrets(Entropy& entropy) {
  Secrets secrets;
  secrets.index = {entropy.next_u64(), entropy.next_u64()};
  secrets.isn = {entropy.next_u64(), entropy.next_u64()};
  return secrets;
}

// Time stands still within a batch and never goes back.
void observe(Rooms& rooms, Instant now) {
  DASHI_CHECK(now >= rooms.last_now);
  rooms.last_now = now;
}

void deliver(Rooms& rooms, Instant now, const SocketEvent& event) {
  switch (event.id.kind) {
    case FlowKind::kTcp:
    case FlowKind::kTcpForward:
      rooms.tcp.handle_socket(now, event);
      return;
    case FlowKind::kUdp:
    case FlowKind::kUdpForward:
      rooms.udp.handle_socket(now, event);
      return;
    case FlowKind::kEcho:
      rooms.echo.handle_socket(now, event);
      return;
    case FlowKind::kDnsUdp:
    case FlowKind::kDnsTcp:
      rooms.dns.handle_socket(now, event);
      return;
  }
}

void pass_stream_events(Rooms& rooms, Instant now) {
  SocketEvent event;
  while (rooms.dns.take_event(event)) rooms.tcp.handle_socket(now, event);
}

}  // namespace

Nat::Nat(const Config& config, Env env)
    : rooms_(std::make_unique<Rooms>(config, env, draw_secrets(env.entropy))) {}

Nat::Nat(std::unique_ptr<Rooms> rooms) : rooms_(std::move(rooms)) {}

Nat::~Nat() = default;

void Nat::handle_frames(Instant now, std::span<const GuestFrame> frames) {
  observe(*rooms_, now);
  for (const GuestFrame& frame : frames) dispatch(*rooms_, now, frame);
  finish_batch(*rooms_, now);
}

void Nat::handle_sockets(Instant now, std::span<const SocketEvent> events) {
  observe(*rooms_, now);
  for (const SocketEvent& event : events) deliver(*rooms_, now, event);
}

void Nat::handle_guest_writable(Instant now) {
  observe(*rooms_, now);
  rooms_->tcp.handle_guest_writable(now);
  rooms_->udp.handle_guest_writable(now);
  rooms_->echo.handle_guest_writable(now);
}

void Nat::handle_timers(Instant now) {
  observe(*rooms_, now);
  rooms_->fragments.handle_timers(now);
  rooms_->ndp.handle_timers(now);
  rooms_->dns.handle_timers(now);
  rooms_->echo.handle_timers(now);
  rooms_->udp.handle_timers(now);
  rooms_->tcp.handle_timers(now);
}

void Nat::flush(Instant now) {
  observe(*rooms_, now);
  rooms_->dns.flush(now);
  pass_stream_events(*rooms_, now);
  rooms_->echo.flush(now);
  rooms_->udp.flush(now);
  rooms_->tcp.flush(now);
  rooms_->writer.flush();
}

std::optional<Instant> Nat::next_deadline() const {
  const Instant next = std::min({rooms_->fragments.next_deadline(), rooms_->ndp.next_deadline(),
                                 rooms_->dns.next_deadline(), rooms_->echo.next_deadline(),
                                 rooms_->udp.next_deadline(), rooms_->tcp.next_deadline()});
  if (next == kNever) return std::nullopt;
  return std::max(next, rooms_->last_now);
}

Result<Endpoint, SocketError> Nat::add_forward(Instant now, const Forward& forward) {
  observe(*rooms_, now);
  if (forward.protocol == ForwardProtocol::kUdp) {
    return rooms_->udp.add_forward(forward.host, forward.guest, forward.guest_port);
  }
  return rooms_->tcp.add_forward(forward.host, forward.guest, forward.guest_port);
}

Result<Done, SocketError> Nat::remove_forward(Instant now, ForwardProtocol protocol,
                                              const Endpoint& host) {
  observe(*rooms_, now);
  if (protocol == ForwardProtocol::kUdp) return rooms_->udp.remove_forward(host);
  return rooms_->tcp.remove_forward(host);
}

void Nat::set_resolvers(Instant now, std::span<const Endpoint> resolvers) {
  observe(*rooms_, now);
  rooms_->dns.set_resolvers(now, resolvers);
}

Result<Done, DnsRecordError> Nat::set_record(const std::string& name,
                                             std::span<const IpAddress> addresses) {
  return rooms_->dns.set_record(name, addresses);
}

void Nat::remove_record(const std::string& name) { rooms_->dns.remove_record(name); }

void Nat::set_host_ipv6(Instant now, bool has_default_route) {
  observe(*rooms_, now);
  rooms_->ndp.set_host_ipv6(now, has_default_route);
}

void Nat::restart_link(Instant now) {
  observe(*rooms_, now);
  rooms_->guest.restart();
  rooms_->fragments.restart_link();
  rooms_->arp.restart_link(now);
  rooms_->ndp.restart_link(now);
  rooms_->tcp.restart_link(now);
  rooms_->dns.restart_link(now);
  rooms_->echo.restart_link(now);
  rooms_->udp.restart_link(now);
}

void Nat::abort_unfinished(Instant now) {
  observe(*rooms_, now);
  rooms_->tcp.abort_unfinished();
}

const Counters& Nat::counters() const { return rooms_->counters; }

FlowCounts Nat::flow_counts() const {
  return {rooms_->tcp.size(),  rooms_->tcp.time_wait_size(), rooms_->udp.size(),
          rooms_->echo.size(), rooms_->dns.size(),           rooms_->tcp.held_bytes()};
}

std::optional<GuestTcpInfo> Nat::tcp_info(const Endpoint& guest, const Endpoint& remote) const {
  return rooms_->tcp.info(guest, remote);
}

std::string Nat::dump(Instant now) const {
  std::string out;
  rooms_->tcp.dump(out, now);
  rooms_->udp.dump(out, now);
  rooms_->echo.dump(out, now);
  rooms_->dns.dump(out, now);
  return out;
}

std::string Nat::audit() const {
  std::string out;
  rooms_->tcp.audit(out);
  return out;
}

template <typename Archive>
void archive(Archive& ar, Secrets& s) {
  ar(s.index.k0, s.index.k1, s.isn.k0, s.isn.k1);
}

void Nat::save(Sink& sink) const {
  ArchiveWriter ar(sink);
  uint32_t version = kArchiveVersion;
  ar(version, rooms_->secrets, rooms_->last_now, rooms_->counters, rooms_->guest, rooms_->writer,
     rooms_->icmp_errors);
  rooms_->fragments.save(ar);
  rooms_->arp.save(ar);
  rooms_->ndp.save(ar);
  rooms_->dns.save(ar);
  rooms_->echo.save(ar);
  rooms_->udp.save(ar);
  rooms_->tcp.save(ar);
}

Result<std::unique_ptr<Nat>, RestoreError> Nat::restore(Source& source, const Config& config,
                                                        Env env) {
  ArchiveReader ar(source);
  uint32_t version = 0;
  Secrets secrets;
  ar(version, secrets);
  if (!ar.ok()) return RestoreError::kUnreadable;
  if (version != kArchiveVersion) return RestoreError::kWrongVersion;
  auto rooms = std::make_unique<Rooms>(config, env, secrets);
  ar(rooms->last_now, rooms->counters, rooms->guest, rooms->writer, rooms->icmp_errors);
  const bool restored = rooms->fragments.restore(ar) && rooms->arp.restore(ar) &&
                        rooms->ndp.restore(ar) && rooms->dns.restore(ar) &&
                        rooms->echo.restore(ar) && rooms->udp.restore(ar) && rooms->tcp.restore(ar);
  if (ar.lacks_socket()) return RestoreError::kSocketMissing;
  if (!restored || !ar.ok()) return RestoreError::kUnreadable;
  // Each number may be one that a connection can have, and all of them together not.
  std::string broken;
  rooms->tcp.audit(broken);
  if (!broken.empty()) return RestoreError::kUnreadable;
  return std::unique_ptr<Nat>(new Nat(std::move(rooms)));
}

}  // namespace dashi
