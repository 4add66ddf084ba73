// Nat::save and restore between any two steps: the frames that follow are the same.
#include <functional>

#include "tests/core/tcp/tcp_bench.hh"

namespace dashi::test {
namespace {

using Step = std::function<void(TcpBench&)>;

StreamState& host_of(TcpBench& bench) { return bench.sockets.streams.front(); }

// Every part of a life: handshake, both directions, gaps, a stalled host, a closed window, loss, a
// forward, a failed connect, both closes, TIME-WAIT.
std::vector<Step> reference() {
  std::vector<Step> steps;
  const auto add = [&](Step step) { steps.push_back(std::move(step)); };
  add([](TcpBench& b) { b.syn(); });
  add([](TcpBench& b) { b.host_connects(host_of(b)); });
  add([](TcpBench& b) { b.isn = b.link.frames.back().packet().tcp.sequence; });
  add([](TcpBench& b) { b.advance(1s); });
  add([](TcpBench& b) { b.ack(0, 0, 501); });
  add([](TcpBench& b) { b.data(0, 0, "hello"); });
  add([](TcpBench& b) { b.data(10, 0, "gap"); });
  add([](TcpBench& b) { b.data(20, 0, "another gap"); });
  add([](TcpBench& b) { host_of(b).write_room = 2; });
  add([](TcpBench& b) { b.data(5, 0, "stall"); });
  add([](TcpBench& b) { b.advance(20ms); });
  add([](TcpBench& b) { b.host_writes(host_of(b), pattern(20'000)); });
  add([](TcpBench& b) { b.ack(10, 1460, 501); });
  for (int i = 0; i < 4; ++i) add([](TcpBench& b) { b.ack(10, 1460, 501); });
  add([](TcpBench& b) { b.ack(10, 4380, 501); });
  add([](TcpBench& b) { b.advance(300ms); });
  add([](TcpBench& b) { b.ack(10, 20'000, 0); });
  add([](TcpBench& b) { b.host_writes(host_of(b), pattern(5000)); });
  add([](TcpBench& b) { b.advance(1500ms); });
  add([](TcpBench& b) { b.ack(10, 20'000, 501); });
  add([](TcpBench& b) { b.link.room = 0; });
  add([](TcpBench& b) { b.ack(10, 22'920, 501); });
  add([](TcpBench& b) { b.host_writes(host_of(b), pattern(3000)); });
  add([](TcpBench& b) { b.link_reopens(~size_t{0}); });
  add([](TcpBench& b) { b.host_takes(host_of(b), ~size_t{0}); });
  add([](TcpBench& b) {
    b.guest_port = 50000;
    b.syn();
    NetError error;
    error.error = SocketError::kHostUnreachable;
    b.host_fails(b.sockets.streams.back(), error);
  });
  add([](TcpBench& b) { b.syn(); });
  add([](TcpBench& b) { b.guest_port = 44444; });
  add([](TcpBench& b) { b.fin(13, 28'000, "seven7."); });
  add([](TcpBench& b) { b.host_ends(host_of(b)); });
  add([](TcpBench& b) { b.fin(13, 28'001, "seven7."); });
  add([](TcpBench& b) { b.fin(31, 28'001, ""); });
  add([](TcpBench& b) { b.advance(30s); });
  add([](TcpBench& b) { b.fin(31, 28'001, ""); });
  add([](TcpBench& b) { b.advance(61s); });
  return steps;
}

struct Outcome {
  std::vector<std::vector<uint8_t>> frames;
  SocketBytes written;
  std::string dump;
};

// Runs the reference; saves and restores before step `at`.
Outcome run(size_t at) {
  Config config = quiet_config();
  TcpBench bench(config);
  Forward forward;
  forward.host = {address("0.0.0.0"), {8080}};
  forward.guest_port = {7777};
  BOOST_REQUIRE(bench.nat().add_forward(bench.now, forward).ok());
  const auto steps = reference();
  Outcome out;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (i == at) bench.save_and_restore();
    if (i == 7) {
      bench.sockets.listeners.front().pending.push_back({address("127.0.0.1"), {50000}});
      bench.event({bench.sockets.listeners.front().id, SocketEvent::Kind::kAcceptable, {}});
      const FlowId accepted = bench.sockets.streams.back().id;
      BOOST_REQUIRE(accepted.slot != host_of(bench).id.slot);
    }
    steps[i](bench);
    out.dump += bench.nat().dump(bench.now);
  }
  for (const SentFrame& frame : bench.link.frames) out.frames.push_back(frame.bytes);
  out.written = host_of(bench).written;
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tcp_archive)

BOOST_AUTO_TEST_CASE(goes_on_with_the_same_frames_after_a_restore_before_any_step) {
  const size_t count = reference().size();
  const Outcome whole = run(count);  // never saved
  BOOST_TEST(whole.frames.size() > 30u);
  for (size_t at = 0; at < count; ++at) {
    const Outcome saved = run(at);
    BOOST_TEST_CONTEXT("restored before step " << at) {
      BOOST_TEST((saved.frames == whole.frames));
      BOOST_TEST((saved.written == whole.written));
      BOOST_TEST(saved.dump == whole.dump);
    }
  }
}

BOOST_AUTO_TEST_CASE(saves_the_same_bytes_again_after_a_restore) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  host.write_room = 1;
  bench.data(0, 0, "hello");
  bench.data(100, 0, "gap");
  bench.host_writes(host, pattern(9000));
  MemoryArchive first;
  bench.nat().save(first);
  bench.save_and_restore();
  MemoryArchive second;
  bench.nat().save(second);
  BOOST_TEST((first.bytes == second.bytes));
}

BOOST_AUTO_TEST_CASE(refuses_an_archive_that_ends_too_early_anywhere) {
  TcpBench bench(quiet_config());
  StreamState& host = bench.establish();
  host.write_room = 0;
  bench.data(0, 0, "hello");
  MemoryArchive whole;
  bench.nat().save(whole);
  for (size_t n = 0; n < whole.bytes.size(); n += 1 + n / 97) {
    MemoryArchive part;
    part.bytes.assign(whole.bytes.begin(), whole.bytes.begin() + static_cast<ptrdiff_t>(n));
    FakeLink link;
    FakeTrace trace;
    FakeEntropy entropy;
    const auto restored =
        Nat::restore(part, quiet_config(), Env{link, bench.sockets, entropy, trace});
    BOOST_TEST(!restored.ok());
  }
}

BOOST_AUTO_TEST_CASE(refuses_an_archive_whose_sockets_are_gone) {
  TcpBench bench(quiet_config());
  bench.establish();
  MemoryArchive archive;
  bench.nat().save(archive);
  FakeSockets others;
  FakeLink link;
  FakeTrace trace;
  FakeEntropy entropy;
  const auto restored = Nat::restore(archive, quiet_config(), Env{link, others, entropy, trace});
  BOOST_REQUIRE(!restored.ok());
  BOOST_TEST((restored.error() == RestoreError::kSocketMissing));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
