#include "pcap/read/capture_reader.hh"

#include <boost/test/unit_test.hpp>
#include <fstream>

#include "pcap/write/file_sink.hh"
#include "pcap/write/pcapng.hh"
#include "tests/pcap/tshark.hh"
#include "tests/support/guest_frames.hh"

namespace dashi::test {
namespace {

struct Kept {
  int64_t unix_ns;
  ByteVector frame;
};

// All packets, or the error that ended reading.
std::string read_all(const std::string& path, std::vector<Kept>& packets) {
  auto reader = CaptureReader::open(path);
  if (!reader.ok()) return reader.error();
  while (true) {
    auto packet = (*reader)->next();
    if (!packet.ok()) return packet.error();
    if (!packet->has_value()) return "";
    const ReadPacket& p = **packet;
    BOOST_TEST(p.number == packets.size() + 1);
    BOOST_TEST(p.original_bytes == p.frame.size());
    packets.push_back({p.unix_ns, ByteVector(p.frame.begin(), p.frame.end())});
  }
}

void write_pcapng(const std::string& path) {
  auto sink = std::move(*FileSink::create(path));
  PcapngWriter writer(*sink, {"dashi test", "seed 1", 0});
  writer.add_interface("guest", "");
  writer.add_interface("host", "");
  const ByteVector first = pattern(61);
  const ByteVector second = pattern(1514);
  const Bytes pieces[] = {first, second};
  for (uint32_t i = 0; i < 2; ++i) {
    writer.write({.interface = i,
                  .at = instant_from_nanoseconds(1'000'000'007 + i),
                  .pieces = {&pieces[i], 1},
                  .direction = PacketDirection::kInbound,
                  .comment = "a comment"});
  }
}

void write_bytes(const std::string& path, const ByteVector& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

// A classic pcap header in microseconds with one packet of `frame`, `missing` bytes cut off the file.
ByteVector classic(uint8_t link_type, const ByteVector& frame, size_t missing) {
  ByteVector file = {
      0xd4, 0xc3, 0xb2, 0xa1, 2,         0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0,
      0,    0,    4,    0,    link_type, 0, 0, 0, 5, 0, 0, 0, 9, 0, 0, 0};  // at 5.000009 s
  const auto size = static_cast<uint8_t>(frame.size());
  append(file, ByteVector{size, 0, 0, 0, size, 0, 0, 0});
  append(file, frame);
  file.resize(file.size() - missing);
  return file;
}

void append_le(ByteVector& to, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) to.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

// pcapng, byte by byte, as other writers and broken disks may have it.
struct Pcapng {
  ByteVector file;

  Pcapng& block(uint32_t type, ByteVector body, uint32_t length_off) {
    body.resize((body.size() + 3) / 4 * 4);
    const uint32_t length = static_cast<uint32_t>(body.size()) + 12 + length_off;
    append_le(file, type, 4);
    append_le(file, length, 4);
    append(file, body);
    append_le(file, length, 4);
    return *this;
  }
  Pcapng& section() {
    ByteVector body;
    append_le(body, 0x1a2b3c4d, 4);
    append_le(body, 1, 4);
    append_le(body, ~uint64_t{0}, 8);
    return block(0x0a0d0d0a, body, 0);
  }
  Pcapng& interface(uint16_t link, uint8_t resolution) {
    ByteVector body;
    append_le(body, link, 4);
    append_le(body, 262'144, 4);
    append_le(body, 9, 2);  // if_tsresol
    append_le(body, 1, 2);
    append_le(body, resolution, 4);
    append_le(body, 0, 4);
    return block(1, body, 0);
  }
  Pcapng& packet(uint32_t interface, uint64_t at, uint32_t more_captured) {
    ByteVector body;
    append_le(body, interface, 4);
    append_le(body, at >> 32, 4);
    append_le(body, at & 0xffffffff, 4);
    append_le(body, 60 + more_captured, 4);
    append_le(body, 60, 4);
    append(body, pattern(60));
    return block(6, body, 0);
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(capture_reader)

BOOST_AUTO_TEST_CASE(interfaces_of_unlike_resolution_and_several_sections_are_one_time) {
  const ScratchFolder folder;
  Pcapng made;
  made.section().interface(1, 9).interface(1, 6);
  made.packet(0, 2'000'000'007, 0).packet(1, 1'500'000, 0);
  made.section().interface(1, 0x94).packet(0, uint64_t{3} << 20, 0);  // in 2^-20 s
  write_bytes(folder.file("a.pcapng"), made.file);
  std::vector<Kept> packets;
  BOOST_TEST(read_all(folder.file("a.pcapng"), packets) == "");
  BOOST_REQUIRE(packets.size() == 3);
  BOOST_TEST(packets[0].unix_ns == 2'000'000'007);
  BOOST_TEST(packets[1].unix_ns == 1'500'000'000);
  BOOST_TEST(packets[2].unix_ns == 3'000'000'000);
}

BOOST_AUTO_TEST_CASE(a_broken_file_is_an_error_and_what_came_before_it_is_read) {
  const auto begun = [] { return Pcapng().section().interface(1, 9).packet(0, 5, 0); };
  const struct {
    const char* what;
    ByteVector file;
    size_t packets;
    const char* error;
  } cases[] = {
      {"no interface", Pcapng().section().packet(0, 1, 0).file, 0, "Interface Description"},
      {"another interface", begun().packet(7, 1, 0).file, 1, "packet 2 (offset"},
      {"more than its block", begun().packet(0, 1, 5000).file, 1, "too short"},
      {"a block of 4 GB", begun().block(6, {}, 0xfffffff0 - 12).file, 1, "packet 2 (offset"},
      {"unlike link types", begun().interface(101, 9).packet(1, 6, 0).file, 1, "type 101"},
      {"a time beyond all years", begun().section().interface(1, 0).packet(0, 1ull << 62, 0).file,
       1, "packet 2: its time"},
  };
  const ScratchFolder folder;
  for (const auto& one : cases) {
    BOOST_TEST_CONTEXT(one.what) {
      write_bytes(folder.file("a.pcapng"), one.file);
      std::vector<Kept> packets;
      const std::string error = read_all(folder.file("a.pcapng"), packets);
      BOOST_TEST(error.find(one.error) != std::string::npos, error);
      BOOST_TEST(packets.size() == one.packets);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_capture_length_beyond_the_file_is_refused_before_memory_is_taken) {
  const ScratchFolder folder;
  ByteVector file = classic(1, pattern(60), 0);
  for (size_t i = 32; i < 40; ++i) file[i] = i % 4 == 3 ? 0x7f : 0xff;
  write_bytes(folder.file("a.pcap"), file);
  std::vector<Kept> packets;
  const std::string error = read_all(folder.file("a.pcap"), packets);
  BOOST_TEST(error.find("packet 1 (offset 40): ") != std::string::npos, error);
}

BOOST_AUTO_TEST_CASE(our_own_pcapng_comes_back_to_the_nanosecond) {
  const ScratchFolder folder;
  write_pcapng(folder.file("a.pcapng"));
  std::vector<Kept> packets;
  BOOST_TEST(read_all(folder.file("a.pcapng"), packets) == "");
  BOOST_REQUIRE(packets.size() == 2);
  BOOST_TEST(packets[0].unix_ns == 1'000'000'007);
  BOOST_TEST(packets[1].unix_ns == 1'000'000'008);
  BOOST_TEST(packets[0].frame == pattern(61), boost::test_tools::per_element());
  BOOST_TEST(packets[1].frame == pattern(1514), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(classic_pcap_is_read_in_microseconds_and_in_nanoseconds) {
  const ScratchFolder folder;
  write_bytes(folder.file("a.pcap"), classic(1, pattern(60), 0));
  std::vector<Kept> packets;
  BOOST_TEST(read_all(folder.file("a.pcap"), packets) == "");
  BOOST_REQUIRE(packets.size() == 1);
  BOOST_TEST(packets[0].unix_ns == 5'000'009'000);
  write_pcapng(folder.file("a.pcapng"));
  output_of("editcap -F nsecpcap " + folder.file("a.pcapng") + " " + folder.file("b.pcap"));
  packets.clear();
  BOOST_TEST(read_all(folder.file("b.pcap"), packets) == "");
  BOOST_REQUIRE(packets.size() == 2);
  BOOST_TEST(packets[1].unix_ns == 1'000'000'008);
}

BOOST_AUTO_TEST_CASE(an_error_names_the_file_the_packet_and_the_offset) {
  const ScratchFolder folder;
  const std::string path = folder.file("a.pcap");
  write_bytes(path, classic(1, pattern(60), 10));
  std::vector<Kept> packets;
  const std::string error = read_all(path, packets);
  BOOST_TEST(error.starts_with(path + ": packet 1 (offset 90): "), error);
  BOOST_TEST(packets.empty());
}

BOOST_AUTO_TEST_CASE(what_is_no_capture_is_told) {
  const ScratchFolder folder;
  std::vector<Kept> packets;
  BOOST_TEST(read_all(folder.file("a"), packets) ==
             folder.file("a") + ": No such file or directory");
  write_bytes(folder.file("b"), text("hello, this is no capture"));
  const std::string error = read_all(folder.file("b"), packets);
  BOOST_TEST(error.starts_with(folder.file("b") + ": offset 0: "), error);
}

BOOST_AUTO_TEST_CASE(another_link_type_than_ethernet_is_refused) {
  const ScratchFolder folder;
  const std::string path = folder.file("a.pcap");
  write_bytes(path, classic(101, pattern(60), 0));
  std::vector<Kept> packets;
  BOOST_TEST(read_all(path, packets) ==
             path + ": link type RAW, and only Ethernet can be fed to a guest's link");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
