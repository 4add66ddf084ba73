// The gateway's DNS from both sides: queries of the guest over UDP and TCP, answers of resolvers over
// both, right but for what the input bends; and the reading and making of messages by themselves.
// Input: the world's byte, then operations.
#include "core/wire/dns.hh"
#include "tests/fuzz/failure.hh"
#include "tests/fuzz/fuzz_guest.hh"

namespace dashi::fuzz {
namespace {

constexpr size_t kOperationsMax = 200;
constexpr uint16_t kDnsPort = 53;

// The header, a question of the input's letters or bytes, and whatever follows.
ByteVector message(Input& input) {
  ByteVector out;
  const uint8_t form = input.u8();
  test::append_u16(out, input.u8());
  test::append_u16(out, (form & 1) != 0 ? input.u16() : 0x0100);
  const uint8_t counts = (form & 2) != 0 ? input.u8() : 1;
  test::append_u16(out, counts & 3);
  test::append_u16(out, counts >> 2 & 3);
  test::append_u16(out, counts >> 4 & 3);
  test::append_u16(out, (form & 8) != 0 ? 1 : counts >> 6);
  const char* const names[] = {"own.test", "www.example.org", "a", ""};
  for (std::string_view name = names[form >> 4 & 3]; !name.empty();) {
    const std::string_view label = name.substr(0, name.find('.'));
    out.push_back(static_cast<uint8_t>(label.size()));
    test::append(out, test::text(label));
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  const Bytes raw = (form & 4) != 0 ? input.take(input.u8()) : Bytes();
  test::append(out, raw);
  out.push_back(0);
  const uint16_t types[] = {1, 28, 252, 255};
  test::append_u16(out, types[form >> 6]);
  test::append_u16(out, 1);
  if ((form & 8) != 0) {  // EDNS
    test::append(out, ByteVector{0, 0, 41});
    test::append_u16(out, input.u16());
    test::append(out, ByteVector{0, static_cast<uint8_t>(form & 1), 0, 0, 0, 0});
  }
  return out;
}

// What answers this query: its bytes with QR set, and then as the input says.
ByteVector answer_to(ByteVector query, Input& input) {
  const uint8_t form = input.u8();
  if (query.size() > 3) query[2] |= 0x80;
  if (query.size() > 3 && (form & 1) != 0) query[3] = input.u8();
  if (query.size() > 3 && (form & 2) != 0) query[2] |= 0x02;  // TC
  for (uint8_t bends = form >> 2 & 3; bends != 0 && !query.empty(); --bends) {
    query[input.u8() % query.size()] ^= input.u8();
  }
  if ((form & 0x10) != 0) query.resize(query.size() - std::min<size_t>(query.size(), input.u8()));
  if ((form & 0x20) != 0) test::append(query, input.take(input.u8()));
  if ((form & 0x40) != 0) query.resize(query.size() + input.u8() * 16u, 0);
  return query;
}

ByteVector framed(const ByteVector& message, int off) {
  ByteVector out;
  test::append_u16(out, static_cast<size_t>(static_cast<int>(message.size()) + off) & 0xffff);
  test::append(out, message);
  return out;
}

void read_and_make(Input& input) {
  const uint8_t room = input.u8();
  const Bytes taken = input.take(input.u8() * 4u);
  const ByteVector bytes(taken.begin(), taken.end());
  ByteVector to(room * 2u);
  to.shrink_to_fit();
  const auto question = parse_dns_question(bytes);
  if (question) expect(question->end <= bytes.size(), "a question ends behind its message");
  if (question) (void)to_string(question->name);
  const auto edns = find_dns_edns(bytes);
  expect(!edns || edns->record.size() <= bytes.size(), "an OPT record is not in its message");
  expect(dns_udp_reply_bytes(bytes) >= kDnsPlainUdpBytes,
         "a reply of less than 512 bytes is asked for");
  expect(build_dns_truncated(to, bytes) <= to.size(), "a truncated answer is longer than its room");
  if (!dns_header(bytes)) return;
  expect(build_dns_error(to, bytes, DnsRcode::kServerFailure) <= to.size(),
         "an error is longer than its room");
  if (!question) return;
  const IpAddress own[] = {path(0).source, path(1).source, path(3).destination};
  const size_t size = build_dns_static_answer(to, bytes, *question, own, 60);
  expect(size <= to.size(), "an answer is longer than its room");
  if (size != 0)
    expect(parse_dns_question(Bytes(to).first(size)).has_value(), "an answer without question");
}

class Program {
 public:
  Program(FuzzWorld& world, Input& input) : world_(world), input_(input), guest_(world) {
    world.sockets.check_uplink = false;
  }

  void run() {
    for (size_t i = 0; i < kOperationsMax && !input_.empty(); ++i) {
      step(input_.u8());
      world_.turn();
    }
    (void)world_.nat().dump(world_.now());
  }

 private:
  void step(uint8_t operation) {
    switch (operation % 12) {
      case 0:
      case 1:
        return ask_over_udp(operation);
      case 2:
      case 3:
        return ask_over_tcp();
      case 4:
      case 5:
        return answer_over_udp();
      case 6:
      case 7:
        return answer_over_tcp();
      case 8:
        return (operation & 16) != 0 ? world_.advance_to_deadline()
                                     : world_.advance(std::chrono::milliseconds(input_.u8() * 20));
      case 9:
        return world_.restore();
      case 10:
        return command();
      default:
        return read_and_make(input_);
    }
  }

  void ask_over_udp(uint8_t operation) {
    const uint8_t port = operation / 16;
    const test::IpSpec ip = path((operation & 1) != 0 ? 3 : 4);
    world_.queue_frame(
        {test::udp_frame(ip, static_cast<uint16_t>(5000 + port), kDnsPort, message(input_)), {}});
  }

  void ask_over_tcp() {
    if (!opened_) {
      opened_ = true;
      world_.queue_frame(guest_.next_segment(FuzzGuest::kFlowToDns, kTcpSyn, {}));
      world_.turn();
      world_.queue_frame(guest_.next_segment(FuzzGuest::kFlowToDns, kTcpAck, {}));
    }
    const uint8_t form = input_.u8();
    ByteVector bytes = framed(message(input_), (form & 1) != 0 ? input_.i8() : 0);
    if ((form & 2) != 0) test::append(bytes, framed(message(input_), 0));
    if ((form & 4) != 0) bytes.resize(std::min<size_t>(bytes.size(), input_.u8()));
    const auto flags = static_cast<uint8_t>(kTcpAck | ((form & 8) != 0 ? kTcpFin : 0));
    world_.queue_frame(guest_.next_segment(FuzzGuest::kFlowToDns, flags, bytes));
    if ((form & 0xf0) == 0xf0) opened_ = false;
  }

  void answer_over_udp() {
    PacketState* asked = nullptr;
    uint8_t skip = input_.u8() % 8;
    for (PacketState& state : world_.sockets.packets) {
      if (state.closed || state.id.kind != FlowKind::kDnsUdp) continue;
      asked = &state;
      if (skip-- == 0) break;
    }
    const uint8_t what = input_.u8();
    if (asked == nullptr) return;
    SocketEvent event{asked->id, SocketEvent::Kind::kReadable, {}};
    if (what >= 240) {
      event.kind = SocketEvent::Kind::kNetError;
      event.error.error = SocketError::kRefused;
      event.error.original_remote = asked->last_remote;
    } else {
      Datagram d;
      d.remote = what >= 224 ? Endpoint{path(0).destination, Port{kDnsPort}} : asked->last_remote;
      d.payload = answer_to(asked->last_payload, input_);
      asked->incoming.push_back(std::move(d));
    }
    world_.queue_event(event);
  }

  void answer_over_tcp() {
    StreamState* asked = nullptr;
    uint8_t skip = input_.u8() % 4;
    for (StreamState& state : world_.sockets.streams) {
      if (state.closed || state.error || !state.is_dns()) continue;
      asked = &state;
      if (skip-- == 0) break;
    }
    const uint8_t what = input_.u8();
    if (asked == nullptr) return;
    SocketEvent event{asked->id, SocketEvent::Kind::kReadable, {}};
    if (asked->connecting) {
      asked->connecting = false;
      event.kind = SocketEvent::Kind::kConnected;
      if (what >= 224) asked->error = SocketError::kRefused;
      if (what >= 224) event.kind = SocketEvent::Kind::kConnectFailed;
      event.error.error = SocketError::kRefused;
      return world_.queue_event(event);
    }
    if (what >= 240) asked->error = SocketError::kReset;
    if (!asked->eof && !asked->error) {
      const size_t header = std::min<size_t>(asked->last_write.size(), 2);
      const ByteVector query(asked->last_write.begin() + static_cast<ptrdiff_t>(header),
                             asked->last_write.end());
      const ByteVector bytes = framed(answer_to(query, input_), (what & 1) != 0 ? input_.i8() : 0);
      test::append(asked->scripted, bytes);
      asked->received = asked->scripted.size();
      asked->eof = (what & 2) != 0;
    }
    world_.queue_event(event);
  }

  void command() {
    const uint8_t what = input_.u8();
    const IpAddress address = path(what >> 6).destination;
    switch (what % 4) {
      case 0:
        (void)world_.nat().set_record("www.example.org", {&address, 1});
        return;
      case 1:
        world_.nat().remove_record("www.example.org");
        return;
      case 2: {
        const Endpoint resolvers[] = {{address, Port{kDnsPort}},
                                      {path(2).destination, Port{kDnsPort}}};
        return world_.nat().set_resolvers(world_.now(), std::span(resolvers).first(what >> 4 & 1));
      }
      default:
        world_.sockets.open_error.reset();
        if ((what & 64) != 0) world_.sockets.open_error = SocketError::kTooManySockets;
        return;
    }
  }

  FuzzWorld& world_;
  Input& input_;
  FuzzGuest guest_;
  bool opened_ = false;
};

void program(FuzzWorld& world, Input& input) { Program(world, input).run(); }

}  // namespace
}  // namespace dashi::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  dashi::fuzz::run_twice({data, size}, dashi::fuzz::program);
  return 0;
}
