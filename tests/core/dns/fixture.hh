// A DnsService between a fake guest link and fake sockets, turned as the Nat turns it.
#pragma once

#include <memory>
#include <optional>

#include "core/dns/dns_service.hh"
#include "tests/core/dns/messages.hh"
#include "tests/support/fake_env.hh"

namespace dashi::test {

inline const Ipv4Address kGuestV4{{10, 0, 0, 2}};
inline const Ipv4Address kGatewayV4{{10, 0, 0, 1}};
inline constexpr SipKey kIndexKey{1, 2};
inline const Endpoint kFirst{Ipv4Address{{127, 0, 0, 53}}, Port{53}};
inline const Endpoint kSecond{Ipv4Address{{192, 0, 2, 2}}, Port{53}};

struct DnsWorld : FakeFlowWorld {
  DnsConfig config;
  Instant now = Instant(100s);
  std::unique_ptr<DnsService> service;

  DnsWorld() { config.resolvers = {kFirst, kSecond}; }
  DnsService& dns() {
    if (!service) service = std::make_unique<DnsService>(config, context, kIndexKey);
    return *service;
  }

  // --- The guest over UDP ---
  void ask_from(const IpAddress& guest_address, const IpAddress& gateway, uint16_t port,
                const ByteVector& message) {
    IpSpec ip;
    ip.source = guest_address;
    ip.destination = gateway;
    const ParsedFrame frame(udp_frame(ip, port, 53, message));
    dns().handle_packet(now, frame.packet);
    turn();
  }
  void ask(uint16_t port, const ByteVector& message) {
    ask_from(kGuestV4, kGatewayV4, port, message);
  }
  // The oldest answer on the link.
  ByteVector answer() {
    last_frame = link.take();
    const Packet packet = last_frame.packet();
    return {packet.payload.begin(), packet.payload.end()};
  }
  SentFrame last_frame;

  // --- The resolvers ---
  DatagramState& upstream() { return sockets.datagrams.back(); }
  ByteVector asked_upstream() { return upstream().sent.back().payload; }
  void arrive(DatagramState& socket, const Endpoint& from, const ByteVector& message) {
    Arrival arrival;
    arrival.remote = from;
    arrival.payload = message;
    socket.incoming.push_back(arrival);
    event(socket.id, SocketEvent::Kind::kReadable);
  }
  void reply(const Endpoint& from, uint16_t flags, size_t bytes) {
    arrive(upstream(), from, dns_reply(asked_upstream(), flags, bytes));
  }
  StreamState& upstream_tcp() { return sockets.streams.back(); }
  void arrive_tcp(StreamState& socket, const ByteVector& bytes) {
    append(socket.incoming, bytes);
    event(socket.id, SocketEvent::Kind::kReadable);
  }

  // --- Turns ---
  void event(FlowId id, SocketEvent::Kind kind) {
    SocketEvent happened;
    happened.id = id;
    happened.kind = kind;
    dns().handle_socket(now, happened);
    turn();
  }
  void turn() {
    int turns = 0;
    do {
      dns().handle_timers(now);
      dns().flush(now);
      SocketEvent happened;
      while (dns().take_event(happened)) events.push_back(happened);
      BOOST_REQUIRE(++turns < 1000);
    } while (dns().next_deadline() <= now);
  }
  void pass(Duration duration) {
    const Instant until = now + duration;
    while (dns().next_deadline() <= until) {
      now = std::max(now, dns().next_deadline());
      turn();
    }
    now = until;
  }
  std::vector<SocketEvent> events;  // of streams, as tcp/ would see them

  bool saw(FlowId id, SocketEvent::Kind kind) {
    bool seen = false;
    for (const SocketEvent& e : events) seen = seen || (e.id == id && e.kind == kind);
    events.clear();
    return seen;
  }
  uint64_t count(Counter counter) const { return counters[counter]; }
};

// A guest's connection to gateway:53, as tcp/ uses it.
struct GuestStream {
  DnsWorld& world;
  FlowId id;
  std::unique_ptr<StreamSocket> socket;

  GuestStream(DnsWorld& w, uint32_t slot) : world(w), id{FlowKind::kTcp, slot, 1} {
    auto opened = world.dns().streams().open({kGatewayV4, Port{53}}, id);
    BOOST_REQUIRE(opened.ok());
    socket = std::move(*opened);
    world.turn();
  }
  // The bytes taken; kWouldBlock is 0.
  size_t write(const ByteVector& bytes) {
    const std::array<Bytes, 1> from{Bytes(bytes)};
    const auto taken = socket->write(from);
    world.turn();
    if (!taken) BOOST_REQUIRE((taken.error() == SocketError::kWouldBlock));
    return taken ? *taken : 0;
  }
  std::optional<SocketError> error() {
    const auto peeked = socket->peek(0, {});
    if (peeked.ok()) return std::nullopt;
    return peeked.error();
  }
  bool eof() {
    const auto peeked = socket->peek(0, {});
    return peeked.ok() && peeked->eof;
  }
  // All there is to read, without consuming it.
  ByteVector peek_all() {
    ByteVector out(200000);
    const std::array<MutableBytes, 1> into{MutableBytes(out)};
    const auto peeked = socket->peek(0, into);
    out.resize(peeked.ok() ? peeked->bytes : 0);
    return out;
  }
  // The next whole message, consumed; empty if there is none.
  ByteVector read() {
    const ByteVector all = peek_all();
    if (all.size() < 2 || all.size() < size_t{2} + u16_at(all, 0)) return {};
    const size_t length = u16_at(all, 0);
    socket->consume(2 + length);
    world.turn();
    return {all.begin() + 2, all.begin() + 2 + static_cast<ptrdiff_t>(length)};
  }
};

}  // namespace dashi::test
