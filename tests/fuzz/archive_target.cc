// Saved states that nobody saved: bytes are refused with a RestoreError, or make a Nat that can be saved
// and shown. Memory stays within what Limits say (the fuzzer's own limit watches). Input: how long the
// state is, 0 for all of it, and then places in it and what is there instead. The state is that of a Nat
// with flows of each kind, made anew by every build: so a corpus outlives an archive's version.
#include "tests/fuzz/fuzz_guest.hh"
#include "tests/support/memory_archive.hh"

namespace dashi::fuzz {
namespace {

void connect_all(FuzzWorld& world) {
  for (StreamState& state : world.sockets.streams) {
    if (!state.connecting) continue;
    state.connecting = false;
    world.queue_event({state.id, SocketEvent::Kind::kConnected, {}});
  }
  world.turn();
}

// Connections opening, open with bytes each way, closing and closed; a failed one; UDP, echo, DNS over UDP
// and TCP, part of a packet, forwards and a peer of one.
ByteVector saved_state() {
  const Config config = small_config(0);
  FuzzWorld world(config, link_limits(0, config), {false, 0x5a, {}});
  FuzzGuest guest(world);
  world.sockets.check_uplink = false;
  const auto from_guest = [&](const Frame& frame) {
    world.queue_frame(frame);
    world.turn();
  };
  const uint8_t datagram[] = {0, 0, 9};
  const uint8_t part[] = {0, 0xa0, 0, 10};
  Input udp(datagram);
  Input echo(datagram);
  Input fragment(part);
  from_guest(FuzzGuest::udp_datagram(udp));
  from_guest(FuzzGuest::icmp_message(echo));
  from_guest(FuzzGuest::fragment(fragment));
  for (size_t flow = 0; flow < 4; ++flow) from_guest(guest.next_segment(flow, kTcpSyn, {}));
  connect_all(world);
  for (size_t flow = 0; flow < 3; ++flow) from_guest(guest.next_segment(flow, kTcpAck, {}));
  from_guest(guest.next_segment(FuzzGuest::kFlowToDns, kTcpSyn, {}));
  from_guest(guest.next_segment(FuzzGuest::kFlowToDns, kTcpAck, {}));
  const ByteVector question = {0, 17, 0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 252, 0, 1};
  from_guest(guest.next_segment(FuzzGuest::kFlowToDns, kTcpAck, question));
  world.sockets.streams[0].received = 3000;
  world.queue_event({world.sockets.streams[0].id, SocketEvent::Kind::kReadable, {}});
  world.sockets.streams[0].room = 5;
  const auto open = ForwardProtocol::kTcp;
  (void)world.nat().add_forward(world.now(), {open, {path(3).source, Port{8000}}, Port{80}, {}});
  from_guest(guest.next_segment(0, kTcpAck, ByteVector(40, 0)));
  from_guest(guest.next_segment(1, static_cast<uint8_t>(kTcpAck | kTcpFin), {}));
  world.sockets.listeners[0].pending.push_back({path(2).destination, Port{6000}});
  world.queue_event({world.sockets.listeners[0].id, SocketEvent::Kind::kAcceptable, {}});
  from_guest(guest.next_segment(4, kTcpSyn, {}));
  test::MemoryArchive saved;
  world.nat().save(saved);
  return saved.bytes;
}

}  // namespace
}  // namespace dashi::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dashi;
  using namespace dashi::fuzz;
  static const ByteVector state = saved_state();
  Input input({data, size});
  test::MemoryArchive archive;
  archive.bytes = state;
  const uint16_t cut = input.u16();
  while (!input.empty()) {
    const size_t at = input.u16() % state.size();
    const uint8_t length = input.u8();
    const uint8_t with = input.u8();  // one byte turned, or up to eight alike
    for (size_t i = at; i < std::min(state.size(), at + length % 8); ++i) archive.bytes[i] = with;
    if (length % 8 == 0) archive.bytes[at] ^= with;
  }
  if (cut != 0) archive.bytes.resize(cut % state.size());
  const Config config = small_config(0);
  FuzzWorld world(config, link_limits(0, config), {false, 0x5a, {}});
  world.adopt(archive);
  return 0;
}
