// A whole life of a Nat: frames of a guest that the input leads, time, what sockets do, a full link,
// forwards and other commands, save and restore. Input: the world's byte, then operations: a byte, and
// what each takes. An operation's high bit holds back the turn, so that several come in one.
#include "tests/fuzz/fuzz_guest.hh"
#include "tests/support/mend_checksums.hh"

namespace dashi::fuzz {
namespace {

constexpr uint8_t kHoldTurn = 0x80;
constexpr size_t kOperationsMax = 300;

SocketError error_of(uint8_t byte) {
  return static_cast<SocketError>(1 + byte % static_cast<uint8_t>(SocketError::kOther));
}

class Program {
 public:
  Program(FuzzWorld& world, Input& input) : world_(world), input_(input), guest_(world) {}

  void run() {
    for (size_t i = 0; i < kOperationsMax && !input_.empty(); ++i) {
      const uint8_t operation = input_.u8();
      step(operation % kHoldTurn);
      if ((operation & kHoldTurn) == 0) world_.turn();
    }
    world_.turn();
    (void)world_.nat().dump(world_.now());
  }

 private:
  void step(uint8_t operation) {
    switch (operation % 16) {
      case 0:
      case 1:
        return world_.queue_frame(guest_.tcp_segment(input_));
      case 2:
        return world_.queue_frame(FuzzGuest::udp_datagram(input_));
      case 3:
        return world_.queue_frame(FuzzGuest::icmp_message(input_));
      case 4:
        return world_.queue_frame(FuzzGuest::fragment(input_));
      case 5:
        return raw_frame();
      case 6:
      case 7:
        return stream();
      case 8:
        return packets();
      case 9:
        return listener();
      case 10:
        return pass_time();
      case 11:
        return world_.make_room(input_.u8() < 200 ? input_.u8() % 8 : ~size_t{0});
      case 12:
        return world_.restore();
      case 13:
        return command();
      case 14:
        return opening();
      default:
        return stale_event();
    }
  }

  void raw_frame() {
    const uint8_t flags = input_.u8();
    const Bytes bytes = input_.take(flags / 2);
    Frame frame;
    frame.bytes.assign(bytes.begin(), bytes.end());
    if ((flags & 1) != 0) test::mend_checksums(frame.bytes);
    world_.sockets.check_uplink = false;  // it may say anything on any connection
    world_.queue_frame(std::move(frame));
  }

  template <typename States>
  auto* pick(States& states) {
    using State = typename States::value_type;
    State* found = nullptr;
    const uint8_t which = input_.u8();
    size_t open = 0;
    for (const State& state : states) open += state.closed ? 0 : 1;
    size_t skip = open == 0 ? 0 : which % open;
    for (State& state : states) {
      if (state.closed) continue;
      found = &state;
      if (skip-- == 0) break;
    }
    return found;
  }
  void tell(FlowId id, SocketEvent::Kind kind) { world_.queue_event({id, kind, {}}); }

  void stream() {
    StreamState* state = pick(world_.sockets.streams);
    const uint8_t what = input_.u8();
    if (state == nullptr || state->error) return;
    if (state->connecting) return connected(*state, what);
    switch (what % 6) {
      case 0:
      case 1: {  // bytes
        if (state->eof) return;
        const size_t n = size_t{input_.u8()} * (what / 16 + 1);
        state->received += n;
        for (size_t i = 0; state->is_dns() && i < n; ++i) state->scripted.push_back(input_.u8());
        return tell(state->id, SocketEvent::Kind::kReadable);
      }
      case 2:
        state->eof = true;
        return tell(state->id, SocketEvent::Kind::kReadable);
      case 3:
        state->error = error_of(input_.u8());
        return tell(state->id, SocketEvent::Kind::kReadable);
      case 4:
        state->room = size_t{input_.u8()} * 100;
        if (state->room != 0) tell(state->id, SocketEvent::Kind::kWritable);
        return;
      default:
        state->room = ~size_t{0};
        return tell(state->id, SocketEvent::Kind::kWritable);
    }
  }

  void connected(StreamState& state, uint8_t what) {
    SocketEvent event{state.id, SocketEvent::Kind::kConnected, {}};
    state.connecting = false;
    if (what >= 192) {
      state.error = error_of(what);
      event.kind = SocketEvent::Kind::kConnectFailed;
      event.error.error = *state.error;
      if ((what & 1) != 0) event.error.icmp_type = input_.u8();
      if ((what & 1) != 0) event.error.icmp_code = input_.u8();
      event.error.reporter = Ipv4Address{{192, 0, 2, 1}};
    }
    world_.queue_event(event);
  }

  void packets() {
    PacketState* state = pick(world_.sockets.packets);
    const uint8_t what = input_.u8();
    if (state == nullptr) return;
    switch (what % 6) {
      case 0:
      case 1:
        return arrival(*state, what);
      case 2: {
        SocketEvent event{state->id, SocketEvent::Kind::kNetError, {}};
        event.error.error = error_of(input_.u8());
        event.error.icmp_type = input_.u8();
        event.error.icmp_code = input_.u8();
        event.error.mtu = input_.u16();
        event.error.reporter = path(what / 8).destination;
        event.error.original_remote = state->last_remote;
        event.error.echo_sequence = state->last_sequence;
        quoted_ = state->last_payload;
        event.error.quoted = Bytes(quoted_).first(std::min<size_t>(quoted_.size(), input_.u8()));
        world_.queue_event(event);
        return world_.turn();  // what it quotes is borrowed
      }
      case 3:
        state->send_error = error_of(input_.u8());
        return;
      case 4:
        state->send_room = input_.u8() % 8;
        return;
      default:
        state->send_error.reset();
        state->send_room = ~size_t{0};
        return tell(state->id, SocketEvent::Kind::kWritable);
    }
  }

  void arrival(PacketState& state, uint8_t what) {
    Datagram d;
    d.remote =
        (what & 0x40) != 0 ? Endpoint{path(what / 16).destination, Port{7}} : state.last_remote;
    d.local = {path(0).source, state.local.port};
    if (d.remote.address.is_v6()) d.local.address = path(1).source;
    d.ttl = (what & 0x80) != 0 ? input_.u8() : 0;
    d.sequence = state.last_sequence;
    d.payload = test::pattern(size_t{input_.u8()} * 8);
    if ((what & 0x20) != 0) d.segment_size = static_cast<uint16_t>(input_.u8() * 4);
    state.incoming.push_back(std::move(d));
    tell(state.id, SocketEvent::Kind::kReadable);
  }

  void listener() {
    ListenerState* state = pick(world_.sockets.listeners);
    const uint8_t what = input_.u8();
    if (state == nullptr) return;
    state->accept_error.reset();
    if (what >= 224) state->accept_error = error_of(what);
    for (uint8_t i = 0; i <= what % 4; ++i) {
      test::IpSpec ip = path(state->local.address.is_v4() ? 0 : 1);
      state->pending.push_back(
          {ip.destination, Port{static_cast<uint16_t>(6000 + input_.u8() % 16)}});
    }
    tell(state->id, SocketEvent::Kind::kAcceptable);
  }

  void pass_time() {
    const uint8_t how = input_.u8();
    const uint8_t n = how / 4;
    switch (how % 4) {
      case 0:
        return world_.advance_to_deadline();
      case 1:
        return world_.advance(std::chrono::milliseconds(n));
      case 2:
        return world_.advance(std::chrono::seconds(n));
      default:
        return world_.advance(std::chrono::microseconds(n * 50));
    }
  }

  void command() {
    const uint8_t what = input_.u8();
    const Endpoint host{path(what & 8 ? 1 : 0).destination,
                        Port{static_cast<uint16_t>(8000 + what / 64)}};
    const auto protocol = (what & 16) != 0 ? ForwardProtocol::kUdp : ForwardProtocol::kTcp;
    Nat& nat = world_.nat();
    const Instant now = world_.now();
    switch (what % 8) {
      case 0:
      case 1:
      case 2:
        (void)nat.add_forward(now, {protocol, host, Port{8080}, {}});
        return;
      case 3:
        (void)nat.remove_forward(now, protocol, host);
        return;
      case 4: {
        const Endpoint resolvers[] = {host, {path(1).destination, Port{53}}};
        return nat.set_resolvers(now, std::span(resolvers).first(what / 64 % 3));
      }
      case 5:
        return nat.set_host_ipv6(now, (what & 64) != 0);
      case 6:
        world_.sockets.open_error.reset();
        if ((what & 64) != 0) world_.sockets.open_error = error_of(what / 8);
        return;
      default:
        if ((what & 64) != 0) nat.restart_link(now);
        return;
    }
  }

  // A connection opened at once: the way to most of what is behind.
  void opening() {
    const uint8_t flow = input_.u8();
    world_.queue_frame(guest_.next_segment(flow, kTcpSyn, {}));
    world_.turn();
    for (StreamState& state : world_.sockets.streams) {
      if (state.closed || !state.connecting || state.error) continue;
      state.connecting = false;
      tell(state.id, SocketEvent::Kind::kConnected);
    }
    world_.turn();
    world_.queue_frame(guest_.next_segment(flow, kTcpAck, {}));
  }

  void stale_event() {
    FlowId id;
    id.kind = static_cast<FlowKind>(input_.u8() % 7);
    id.slot = input_.u8();
    id.generation = input_.u8() + 100u;  // of no tenant yet
    tell(id, static_cast<SocketEvent::Kind>(input_.u8() % 6));
  }

  FuzzWorld& world_;
  Input& input_;
  FuzzGuest guest_;
  std::vector<uint8_t> quoted_;
};

void program(FuzzWorld& world, Input& input) { Program(world, input).run(); }

}  // namespace
}  // namespace dashi::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  dashi::fuzz::run_twice({data, size}, dashi::fuzz::program);
  return 0;
}
