#include "pcap/write/capture.hh"

#include <boost/test/unit_test.hpp>

#include "core/wire/icmp.hh"
#include "pcap/write/file_sink.hh"
#include "tests/pcap/tshark.hh"
#include "tests/support/fake_env.hh"

namespace dashi::test {
namespace {

using Row = std::vector<std::string>;

const Endpoint kServer{Ipv4Address{{192, 0, 2, 7}}, Port{80}};
const Endpoint kServerV6{*parse_ipv6("2001:db8::7"), Port{80}};
const FlowId kFlow{FlowKind::kTcp, 3, 1};

// A capture of fakes into a file, looked at with tshark.
struct Bench {
  ScratchFolder folder;
  std::string path = folder.file("a.pcapng");
  std::unique_ptr<FileSink> sink = std::move(*FileSink::create(path));
  PcapngWriter writer{*sink, {"dashi test", "seed 1", 0}};
  FakeLink link;
  FakeSockets sockets;
  FakeEntropy entropy;
  FakeTrace trace;
  Capture capture{writer, Env{link, sockets, entropy, trace}};

  Sockets& seam() { return capture.env().sockets; }
  void happens(SocketEvent::Kind kind, FlowId id, const NetError& error) {
    SocketEvent event;
    event.id = id;
    event.kind = kind;
    event.error = error;
    capture.from_host({&event, 1});
  }
  std::unique_ptr<StreamSocket> connected(const Endpoint& remote) {
    auto socket = seam().connect(remote, {}, kFlow);
    BOOST_REQUIRE(socket.ok());
    happens(SocketEvent::Kind::kConnected, kFlow, {});
    return std::move(*socket);
  }
  std::vector<Row> see(const std::vector<std::string>& fields) {
    capture.flush();
    sink->flush();
    return tshark(path, fields);
  }
  // Each drawn TCP packet as "flags sequence acknowledgment length", and all of them faultless.
  std::vector<std::string> conversation() {
    const auto rows = see({"tcp.flags.str", "tcp.seq", "tcp.ack", "tcp.len", "tcp.checksum.status",
                           "ip.checksum.status", "frame.comment", "tcp.analysis.flags"});
    std::vector<std::string> lines;
    for (const Row& row : rows) {
      BOOST_TEST(row[4] == "1");                      // good
      BOOST_TEST((row[5] == "1" || row[5].empty()));  // good, or IPv6
      BOOST_TEST(row[6].starts_with("synthetic: tcp 3.1: "));
      BOOST_TEST(row[7] == "", "tshark warns about " << row[6]);
      std::string flags;
      for (const char c : row[0]) {
        if (c >= 'A' && c <= 'Z') flags += c;
      }
      lines.push_back(flags + " " + row[1] + " " + row[2] + " " + row[3]);
    }
    return lines;
  }
};

void write_text(StreamSocket& socket, std::string_view words) {
  const ByteVector bytes = text(words);
  const Bytes piece(bytes);
  BOOST_REQUIRE(socket.write({&piece, 1}).ok());
}

size_t peek_at(StreamSocket& socket, size_t offset, size_t room) {
  ByteVector buffer(room);
  const MutableBytes piece(buffer);
  const auto peeked = socket.peek(offset, {&piece, 1});
  return peeked.ok() ? peeked->bytes : 0;
}

void expect(const std::vector<std::string>& seen, const std::vector<std::string>& wanted) {
  BOOST_TEST(seen == wanted, boost::test_tools::per_element());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(capture_of_streams)

BOOST_AUTO_TEST_CASE(a_conversation_is_drawn_once_with_stream_offsets) {
  for (const Endpoint& server : {kServer, kServerV6}) {
    Bench bench;
    {
      auto socket = bench.connected(server);
      StreamState& state = bench.sockets.streams.back();
      write_text(*socket, "GET /");
      state.incoming = text("0123456789");
      BOOST_TEST(peek_at(*socket, 0, 4) == 4U);
      BOOST_TEST(peek_at(*socket, 0, 8) == 8U);  // repeats four: a retransmission, four are new
      socket->consume(8);
      BOOST_TEST(peek_at(*socket, 0, 8) == 2U);
      socket->consume(2);
      state.eof = true;
      BOOST_TEST(peek_at(*socket, 0, 8) == 0U);
      BOOST_TEST(peek_at(*socket, 0, 8) == 0U);
      socket->shutdown_write();
    }
    expect(bench.conversation(), {"S 0 0 0", "AS 0 1 0", "AP 1 1 5", "AP 1 6 4", "AP 5 6 4",
                                  "AP 9 6 2", "AF 11 6 0", "AF 6 12 0"});
  }
}

BOOST_AUTO_TEST_CASE(a_short_write_draws_what_was_taken) {
  Bench bench;
  auto socket = bench.connected(kServer);
  bench.sockets.streams.back().write_room = 3;
  write_text(*socket, "abcdef");
  expect(bench.conversation(), {"S 0 0 0", "AS 0 1 0", "AP 1 1 3"});
}

BOOST_AUTO_TEST_CASE(more_than_an_ip_packet_holds_is_drawn_as_several) {
  Bench bench;
  auto socket = bench.connected(kServer);
  const ByteVector much(150000, 'x');
  const Bytes piece(much);
  BOOST_REQUIRE(socket->write({&piece, 1}).ok());
  expect(bench.conversation(),
         {"S 0 0 0", "AS 0 1 0", "AP 1 1 65000", "AP 65001 1 65000", "AP 130001 1 20000"});
}

BOOST_AUTO_TEST_CASE(an_abort_of_either_side_is_a_reset_and_the_end) {
  Bench ours;
  ours.connected(kServer)->abort();
  expect(ours.conversation(), {"S 0 0 0", "AS 0 1 0", "AR 1 1 0"});

  Bench theirs;
  {
    auto socket = theirs.connected(kServer);
    theirs.sockets.streams.back().error = SocketError::kReset;
    BOOST_TEST(peek_at(*socket, 0, 8) == 0U);
    BOOST_TEST(peek_at(*socket, 0, 8) == 0U);
  }
  expect(theirs.conversation(), {"S 0 0 0", "AS 0 1 0", "AR 1 1 0"});
}

BOOST_AUTO_TEST_CASE(a_refused_connect_is_a_reset) {
  Bench bench;
  auto socket = bench.seam().connect(kServer, {}, kFlow);
  NetError refused;
  refused.error = SocketError::kRefused;
  bench.happens(SocketEvent::Kind::kConnectFailed, kFlow, refused);
  socket->reset();
  expect(bench.conversation(), {"S 0 0 0", "AR 1 1 0"});
}

BOOST_AUTO_TEST_CASE(an_unreachable_host_is_the_routers_icmp_error) {
  for (const Endpoint& server : {kServer, kServerV6}) {
    Bench bench;
    const bool v6 = server.address.is_v6();
    auto socket = bench.seam().connect(server, {}, kFlow);
    NetError unreachable;
    unreachable.error = SocketError::kHostUnreachable;
    unreachable.icmp_type = v6 ? 1 : 3;
    unreachable.icmp_code = v6 ? 3 : 1;
    unreachable.reporter =
        v6 ? IpAddress(*parse_ipv6("2001:db8:1::1")) : IpAddress(Ipv4Address{{198, 51, 100, 1}});
    bench.happens(SocketEvent::Kind::kConnectFailed, kFlow, unreachable);
    const std::string icmp = v6 ? "icmpv6" : "icmp";
    const auto rows = bench.see({v6 ? "ipv6.src" : "ip.src", icmp + ".type", icmp + ".code",
                                 icmp + ".checksum.status", "tcp.dstport", "frame.comment"});
    BOOST_REQUIRE(rows.size() == 2);
    const Row wanted{
        v6 ? "2001:db8:1::1" : "198.51.100.1", v6 ? "1" : "3", v6 ? "3" : "1", "1", "80",
        "synthetic: tcp 3.1: host unreachable"};
    BOOST_TEST(rows[1] == wanted, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(an_accepted_connection_begins_with_the_peers_syn) {
  Bench bench;
  auto listener = bench.seam().listen({Ipv4Address{{127, 0, 0, 1}}, Port{8080}}, {});
  bench.sockets.listeners.back().pending.push_back({Ipv4Address{{127, 0, 0, 1}}, Port{5000}});
  BOOST_REQUIRE(listener.ok());
  auto accepted = (*listener)->accept(kFlow);
  BOOST_REQUIRE(accepted.ok());
  expect(bench.conversation(), {"S 0 0 0", "AS 0 1 0"});
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(capture_of_datagrams)

BOOST_AUTO_TEST_CASE(datagrams_are_drawn_as_sent_and_received) {
  for (const Endpoint& server : {kServer, kServerV6}) {
    Bench bench;
    const bool v6 = server.address.is_v6();
    const FlowId id{FlowKind::kUdp, 0, 0};
    const IpAddress any = v6 ? IpAddress(Ipv6Address{}) : IpAddress(Ipv4Address{});
    auto socket = bench.seam().open_datagram({any, Port{4000}}, id);
    BOOST_REQUIRE(socket.ok());
    const ByteVector question = text("abcde");
    OutDatagram out;
    out.remote = server;
    out.payload = question;
    out.segment_size = 2;  // three datagrams in one call
    out.ttl = 9;
    BOOST_REQUIRE((*socket)->send({&out, 1}).ok());
    bench.sockets.datagrams.back().incoming.push_back({server, {}, {any, Port{4000}}, 0, 33, 0});
    ByteVector room(100);
    InDatagram in;
    in.buffer = room;
    BOOST_REQUIRE((*socket)->receive({&in, 1}).ok());
    const auto rows =
        bench.see({"udp.srcport", "udp.dstport", "udp.length", v6 ? "ipv6.hlim" : "ip.ttl",
                   "udp.checksum.status", "frame.comment"});
    BOOST_REQUIRE(rows.size() == 4);
    const Row first{"4000", "80", "10", "9", "1", "synthetic: udp 0.0: send"};
    const Row third{"4000", "80", "9", "9", "1", "synthetic: udp 0.0: send"};
    const Row reply{"80", "4000", "8",
                    "33", "1",    "synthetic: udp 0.0: receive"};  // zero bytes long
    BOOST_TEST(rows[0] == first, boost::test_tools::per_element());
    BOOST_TEST(rows[2] == third, boost::test_tools::per_element());
    BOOST_TEST(rows[3] == reply, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_refused_datagram_is_port_unreachable) {
  Bench bench;
  const FlowId id{FlowKind::kUdp, 0, 0};
  auto socket = bench.seam().open_datagram({Ipv4Address{{0, 0, 0, 0}}, Port{4000}}, id);
  const ByteVector payload = text("hello");
  NetError refused;
  refused.error = SocketError::kRefused;
  refused.original_remote = kServer;
  refused.quoted = payload;
  bench.happens(SocketEvent::Kind::kNetError, id, refused);
  const auto rows =
      bench.see({"ip.src", "icmp.type", "icmp.code", "udp.dstport", "icmp.checksum.status"});
  const Row wanted{"192.0.2.7", "3", "3", "80", "1"};
  BOOST_REQUIRE(rows.size() == 1);
  BOOST_TEST(rows[0] == wanted, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(echoes_are_drawn_with_their_sequence) {
  for (const Endpoint& server : {kServer, kServerV6}) {
    Bench bench;
    const bool v6 = server.address.is_v6();
    const FlowId id{FlowKind::kEcho, 5, 0};
    auto socket = bench.seam().open_echo(server.address.family(), id);
    BOOST_REQUIRE(socket.ok());
    const ByteVector payload = pattern(56);
    OutEcho out;
    out.remote = server.address;
    out.sequence = 7;
    out.payload = payload;
    BOOST_REQUIRE((*socket)->send({&out, 1}).ok());
    bench.sockets.echoes.back().incoming.push_back({server.address, 7, payload, 60, 0});
    ByteVector room(100);
    InEcho in;
    in.buffer = room;
    BOOST_REQUIRE((*socket)->receive({&in, 1}).ok());
    const std::string icmp = v6 ? "icmpv6" : "icmp";
    const auto rows = bench.see({icmp + ".type", v6 ? "icmpv6.echo.sequence_number" : "icmp.seq",
                                 icmp + ".checksum.status", v6 ? "ipv6.plen" : "ip.len"});
    BOOST_REQUIRE(rows.size() == 2);
    const std::string length = v6 ? "64" : "84";
    const Row request{v6 ? "128" : "8", "7", "1", length};
    const Row reply{v6 ? "129" : "0", "7", "1", length};
    BOOST_TEST(rows[0] == request, boost::test_tools::per_element());
    BOOST_TEST(rows[1] == reply, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(capture_of_the_guest)

BOOST_AUTO_TEST_CASE(frames_cross_in_both_directions_and_on_their_own_interface) {
  Bench bench;
  bench.link.rest_bytes = 10;  // scattered over many segments
  GuestLink& link = bench.capture.env().guest_link;
  const ByteVector frame = pattern(300);
  bench.capture.advance(Instant(5ms));
  const GuestFrame from_guest{frame, {}};
  bench.capture.from_guest({&from_guest, 1});
  const auto slots = link.reserve(2, frame.size());
  BOOST_REQUIRE(slots.size() == 2);
  Bytes rest = frame;
  rest = rest.subspan(copy_bytes(slots[0].head, rest));
  for (MutableBytes segment : slots[0].rest) rest = rest.subspan(copy_bytes(segment, rest));
  const Filled filled{frame.size(), {}};
  link.commit({&filled, 1});
  bench.capture.advance(Instant(6ms));
  const auto rows = bench.see({"frame.interface_name", "frame.packet_flags_direction", "frame.len",
                               "frame.time_epoch", "frame.md5_hash"});
  BOOST_REQUIRE(rows.size() == 2);
  const Row in{"guest", "0x00000001", "300", "0.005000000"};
  const Row out{"guest", "0x00000002", "300", "0.005000000"};
  BOOST_TEST(Row(rows[0].begin(), rows[0].begin() + 4) == in, boost::test_tools::per_element());
  BOOST_TEST(Row(rows[1].begin(), rows[1].begin() + 4) == out, boost::test_tools::per_element());
  BOOST_TEST(bench.link.frames.size() == 1U);
  BOOST_TEST(bench.link.frames[0].bytes == frame, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_partial_checksum_is_completed_in_the_capture) {
  Bench bench;
  IpSpec ip;
  ip.source = Ipv4Address{{10, 0, 0, 2}};
  ip.destination = Ipv4Address{{192, 0, 2, 7}};
  ByteVector frame = udp_frame(ip, 1000, 2000, pattern(33));
  const size_t udp_at = 14 + 20;
  Checksum pseudo;
  add_pseudo_header(pseudo, ip.source, ip.destination, IpProtocol::kUdp, 8 + 33);
  put_u16(frame, udp_at + 6, pseudo.partial());
  GuestFrame from_guest{frame, {}};
  from_guest.offload.csum_partial = true;
  from_guest.offload.csum_start = udp_at;
  from_guest.offload.csum_offset = 6;
  bench.capture.from_guest({&from_guest, 1});
  const auto rows = bench.see({"udp.checksum.status"});
  BOOST_REQUIRE(rows.size() == 1);
  BOOST_TEST(rows[0][0] == "1");
}

BOOST_AUTO_TEST_CASE(a_dropped_frame_says_why) {
  Bench bench;
  const ByteVector first = pattern(60);
  const ByteVector second = pattern(61);
  const GuestFrame frames[] = {{first, {}}, {second, {}}};
  bench.capture.from_guest(frames);
  TraceEvent drop;
  drop.kind = TraceEvent::Kind::kDrop;
  drop.code = static_cast<uint32_t>(DropReason::kIpv4Malformed);
  drop.bytes = first;
  bench.capture.env().trace.record(drop);
  const auto rows = bench.see({"frame.comment"});
  BOOST_REQUIRE(rows.size() == 2);
  BOOST_TEST(rows[0][0] == "dropped: ipv4-malformed");
  BOOST_TEST(rows[1][0] == "");
  BOOST_TEST(bench.trace.events.size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
