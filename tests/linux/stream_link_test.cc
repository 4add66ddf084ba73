#include "core/linux/stream_link.hh"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <numeric>

#include "core/linux/peek_ring.hh"

namespace dashi {
namespace {

// A link that listens in a folder of its own, and a guest that connects to it.
struct Fixture {
  Fixture() {
    BOOST_REQUIRE(::mkdtemp(folder) != nullptr);
    path = std::string(folder) + "/socket";
    auto made = StreamLink::listen({path, {}}, 1500);
    BOOST_REQUIRE(made.ok());
    link = std::move(made.value());
  }
  ~Fixture() {
    link.reset();
    ::rmdir(folder);
  }

  Fd connect() {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    BOOST_REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    BOOST_TEST(link->receive().empty());  // accepts
    BOOST_TEST(link->take_restart());
    return fd;
  }
  static void send(const Fd& fd, Bytes bytes) {
    BOOST_REQUIRE(::send(fd.get(), bytes.data(), bytes.size(), 0) == ssize_t(bytes.size()));
  }
  static std::vector<uint8_t> framed(size_t size, uint8_t value) {
    std::vector<uint8_t> out(4 + size, value);
    store(MutableBytes(out), Be32(static_cast<uint32_t>(size)));
    return out;
  }
  // Commits one frame of that size and value; false if there was no room.
  bool give(size_t reserved, size_t size, uint8_t value) {
    const auto slots = link->reserve(1, reserved);
    if (slots.empty()) return false;
    std::fill_n(slots[0].head.begin(), size, value);
    const Filled filled{size, {}};
    link->commit(std::span(&filled, 1));
    return true;
  }

  char folder[64] = "/tmp/dashi-stream-link-XXXXXX";
  std::string path;
  std::unique_ptr<StreamLink> link;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(stream_link, Fixture)

BOOST_AUTO_TEST_CASE(a_frame_is_given_once_it_is_whole) {
  const Fd guest = connect();
  const auto bytes = framed(100, 7);
  send(guest, Bytes(bytes).first(2));
  BOOST_TEST(link->receive().empty());
  send(guest, Bytes(bytes).subspan(2, 60));
  BOOST_TEST(link->receive().empty());
  auto rest = std::vector<uint8_t>(bytes.begin() + 62, bytes.end());
  const auto next = framed(60, 8);
  rest.insert(rest.end(), next.begin(), next.end());
  send(guest, rest);
  const auto frames = link->receive();
  BOOST_REQUIRE(frames.size() == 2u);
  BOOST_TEST(frames[0].bytes.size() == 100u);
  BOOST_TEST(int{frames[0].bytes[99]} == 7);
  BOOST_TEST(frames[1].bytes.size() == 60u);
}

BOOST_AUTO_TEST_CASE(an_impossible_length_ends_the_guest_and_the_next_may_come) {
  const Fd guest = connect();
  const std::vector<uint8_t> bytes(8, 0xff);
  send(guest, bytes);
  BOOST_TEST(link->receive().empty());
  BOOST_TEST(link->take_restart());
  BOOST_TEST(!link->connected());
  const Fd next = connect();
  send(next, framed(60, 1));
  BOOST_TEST(link->receive().size() == 1u);
}

BOOST_AUTO_TEST_CASE(frames_leave_without_the_gaps_of_their_reservation) {
  const Fd guest = connect();
  const auto slots = link->reserve(3, 1514);
  BOOST_REQUIRE(slots.size() == 3u);
  for (size_t i = 0; i < 3; ++i) std::fill_n(slots[i].head.begin(), 60 + i, uint8_t(i));
  const std::array<Filled, 2> filled{Filled{60, {}}, Filled{61, {}}};
  link->commit(filled);  // a prefix
  link->flush();
  std::vector<uint8_t> got(1000);
  const ssize_t n = ::recv(guest.get(), got.data(), got.size(), MSG_DONTWAIT);
  BOOST_REQUIRE(n == 4 + 60 + 4 + 61);
  BOOST_TEST(uint32_t{load<Be32>(got)} == 60u);
  BOOST_TEST(uint32_t{load<Be32>(Bytes(got).subspan(64))} == 61u);
  BOOST_TEST(int{got[68]} == 1);
}

BOOST_AUTO_TEST_CASE(a_guest_that_does_not_read_is_back_pressure_and_then_room_again) {
  const Fd guest = connect();
  size_t sent = 0;
  while (give(1514, 1514, uint8_t(sent))) {
    ++sent;
    link->flush();
    BOOST_REQUIRE(sent < 10'000u);
  }
  BOOST_TEST(!link->take_writable());
  BOOST_TEST(link->wants_write());
  size_t received = 0;
  bool writable = false;
  std::vector<uint8_t> bytes;
  while (bytes.size() < sent * 1518) {
    std::vector<uint8_t> chunk(65536);
    const ssize_t n = ::recv(guest.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    BOOST_REQUIRE(n > 0);
    bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + n);
    link->handle_writable();
    writable = link->take_writable() || writable;
  }
  BOOST_TEST(writable);
  BOOST_TEST(give(1514, 100, 1));
  for (size_t at = 0; at < bytes.size(); at += 1518, ++received) {
    BOOST_REQUIRE(uint32_t{load<Be32>(Bytes(bytes).subspan(at))} == 1514u);
    BOOST_REQUIRE(int{bytes[at + 4]} == int{uint8_t(received)});
  }
  BOOST_TEST(received == sent);
}

BOOST_AUTO_TEST_CASE(a_guest_that_goes_takes_what_waited_with_it) {
  {
    const Fd guest = connect();
    BOOST_TEST(give(1514, 60, 1));
  }
  link->receive();
  BOOST_TEST(link->take_restart());
  BOOST_TEST(link->reserve(1, 1514).empty());
  const Fd next = connect();
  link->flush();
  uint8_t byte = 0;
  BOOST_TEST(::recv(next.get(), &byte, 1, MSG_DONTWAIT) == -1);
}

BOOST_AUTO_TEST_CASE(a_guest_that_goes_while_we_send_is_told_without_waiting_for_the_next) {
  connect().reset();
  BOOST_TEST(!link->restart_waits());
  BOOST_TEST(give(1514, 60, 1));
  link->flush();
  BOOST_TEST(!link->connected());
  BOOST_TEST(link->restart_waits());
  BOOST_TEST(link->take_restart());
  BOOST_TEST(!link->restart_waits());
}

BOOST_AUTO_TEST_CASE(a_stale_socket_is_replaced_and_a_live_one_is_not) {
  BOOST_TEST(!StreamLink::listen({path, {}}, 1500).ok());
  const std::string stale = std::string(folder) + "/stale";
  {
    const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    stale.copy(address.sun_path, sizeof address.sun_path - 1);
    BOOST_REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  BOOST_TEST(StreamLink::listen({stale, {}}, 1500).ok());
  BOOST_TEST(::access(stale.c_str(), F_OK) != 0);  // removed with the link
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(peek_ring)

BOOST_AUTO_TEST_CASE(bytes_come_out_as_they_went_in_across_the_end_and_growth) {
  RingBudget budget(PeekRing::kMaxBytes);
  PeekRing ring(budget);
  uint8_t next_in = 0;
  uint8_t next_out = 0;
  size_t round = 0;
  // Pseudo-random but fixed sizes: the ring wraps and grows many times.
  for (uint32_t x = 1; round < 2000; ++round) {
    x = x * 1664525 + 1013904223;
    iovec pieces[2];
    size_t put = 0;
    const size_t wanted = x >> 16;
    for (size_t i = 0, n = ring.free_space(pieces); i < n; ++i) {
      auto* to = static_cast<uint8_t*>(pieces[i].iov_base);
      for (size_t k = 0; k < pieces[i].iov_len && put < wanted; ++k, ++put) to[k] = next_in++;
    }
    ring.fill(put);
    std::vector<uint8_t> seen(std::min<size_t>(ring.size(), x & 0xffff));
    const MutableBytes all(seen);
    BOOST_REQUIRE(ring.peek(0, std::span(&all, 1)) == seen.size());
    for (const uint8_t byte : seen) BOOST_REQUIRE(int{byte} == int{next_out++});
    ring.drop(seen.size());
  }
}

void fill_up(PeekRing& ring) {
  iovec pieces[2];
  while (const size_t n = ring.free_space(pieces)) {
    for (size_t i = 0; i < n; ++i) ring.fill(pieces[i].iov_len);
  }
}

BOOST_AUTO_TEST_CASE(it_grows_to_its_bound_and_no_further) {
  RingBudget budget(2 * PeekRing::kMaxBytes);
  PeekRing ring(budget);
  fill_up(ring);
  BOOST_TEST(ring.size() == PeekRing::kMaxBytes);
  ring.drop(1);
  iovec pieces[2];
  BOOST_TEST(ring.free_space(pieces) == 1u);
}

BOOST_AUTO_TEST_CASE(all_rings_together_keep_to_their_budget_and_each_has_its_least) {
  constexpr size_t kBudget = size_t{128} << 10;
  RingBudget budget(kBudget);
  PeekRing second(budget);
  {
    PeekRing first(budget);
    fill_up(first);
    fill_up(second);
    BOOST_TEST(first.size() == size_t{128} << 10);
    BOOST_TEST(second.size() == 2 * PeekRing::kMinBytes);
    // What is empty has no memory: another may grow.
    first.drop(first.size());
    fill_up(second);
    BOOST_TEST(second.size() == size_t{128} << 10);
    fill_up(first);
    BOOST_TEST(first.size() == 2 * PeekRing::kMinBytes);
  }
  second.drop(second.size());
  BOOST_TEST(budget.left() == kBudget);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
