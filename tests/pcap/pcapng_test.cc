#include "pcap/write/pcapng.hh"

#include <boost/test/unit_test.hpp>

#include "core/base/bytes.hh"
#include "pcap/write/file_sink.hh"
#include "tests/pcap/tshark.hh"
#include "tests/support/fake_env.hh"

namespace dashi::test {
namespace {

PcapngHeader header() { return {"dashi test", "seed 42", 0}; }

// Writes `packets` with the writer under test and gives the file's path.
template <typename Write>
void write_file(const std::string& path, const PcapngHeader& header, const Write& write) {
  auto sink = FileSink::create(path);
  BOOST_REQUIRE(sink.ok());
  PcapngWriter writer(**sink, header);
  write(writer);
  (*sink)->flush();
  BOOST_TEST((*sink)->error() == "");
}

void write_one(PcapngWriter& writer, Instant at, const ByteVector& frame,
               std::string_view comment) {
  const Bytes bytes(frame);
  writer.write({.interface = 0,
                .at = at,
                .pieces = {&bytes, 1},
                .direction = PacketDirection::kOutbound,
                .comment = comment});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(pcapng_writer)

BOOST_AUTO_TEST_CASE(the_section_says_who_wrote_it_and_the_seed) {
  const ScratchFolder folder;
  const std::string file = folder.file("a.pcapng");
  write_file(file, header(),
             [](PcapngWriter& writer) { writer.add_interface("guest", "the guest"); });
  const std::string about = output_of("capinfos " + file);
  BOOST_TEST_CONTEXT(about) {
    BOOST_TEST(about.find("seed 42") != std::string::npos);
    BOOST_TEST(about.find("dashi test") != std::string::npos);
    BOOST_TEST(about.find("Name = guest") != std::string::npos);
    BOOST_TEST(about.find("Time precision = nanoseconds (9)") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_packet_keeps_its_nanoseconds_its_direction_and_its_comment) {
  const ScratchFolder folder;
  const std::string file = folder.file("a.pcapng");
  const ByteVector frame(61, 0xee);  // an odd length: blocks are padded to 32 bits
  write_file(file, header(), [&](PcapngWriter& writer) {
    writer.add_interface("guest", "");
    write_one(writer, instant_from_nanoseconds(1), frame, "state: open");
    write_one(writer, instant_from_nanoseconds(12'345'678'901), frame, "");
  });
  const auto rows = tshark(file, {"frame.time_epoch", "frame.len", "frame.comment",
                                  "frame.packet_flags_direction", "frame.interface_name"});
  BOOST_REQUIRE(rows.size() == 2);
  const std::vector<std::string> first{"0.000000001", "61", "state: open", "0x00000002", "guest"};
  const std::vector<std::string> second{"12.345678901", "61", "", "0x00000002", "guest"};
  BOOST_TEST(rows[0] == first, boost::test_tools::per_element());
  BOOST_TEST(rows[1] == second, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(wall_time_is_added_to_the_drivers_clock) {
  const ScratchFolder folder;
  const std::string file = folder.file("a.pcapng");
  PcapngHeader at_wall = header();
  at_wall.unix_ns_at_zero = 1'700'000'000'000'000'005;
  write_file(file, at_wall, [&](PcapngWriter& writer) {
    writer.add_interface("guest", "");
    write_one(writer, instant_from_nanoseconds(1), ByteVector(60, 0), "");
  });
  BOOST_TEST(tshark(file, {"frame.time_epoch"})[0][0] == "1700000000.000000006");
}

BOOST_AUTO_TEST_CASE(a_custom_block_between_packets_is_stepped_over) {
  const ScratchFolder folder;
  const std::string file = folder.file("a.pcapng");
  write_file(file, header(), [&](PcapngWriter& writer) {
    writer.add_interface("guest", "");
    write_one(writer, Instant{}, ByteVector(60, 1), "before");
    writer.custom(32473, ByteVector(13, 7));
    write_one(writer, Instant{}, ByteVector(60, 2), "after");
    BOOST_TEST(writer.packets() == 2U);
  });
  // Wireshark shows the block as a row of its own, capinfos does not count it.
  const auto rows = tshark(file, {"frame.comment"});
  BOOST_REQUIRE(rows.size() == 3);
  BOOST_TEST(rows[0][0] == "before");
  BOOST_TEST(rows[2][0] == "after");
  BOOST_TEST(output_of("capinfos -TrcM " + file) == file + "\t2\n");
}

BOOST_AUTO_TEST_CASE(the_same_packets_are_the_same_bytes) {
  const auto write = [] {
    MemoryArchive memory;
    PcapngWriter writer(memory, header());
    writer.add_interface("guest", "");
    write_one(writer, Instant{}, ByteVector(60, 1), "x");
    return memory.bytes;
  };
  BOOST_TEST(write() == write(), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(file_sink)

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_made_is_named_in_the_error) {
  const auto sink = FileSink::create("/nonexistent/a.pcapng");
  BOOST_REQUIRE(!sink.ok());
  BOOST_TEST(sink.error() == "/nonexistent/a.pcapng: No such file or directory");
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_latched_and_nothing_else_happens) {
  auto sink = FileSink::create("/dev/full");
  BOOST_REQUIRE(sink.ok());
  (*sink)->put(ByteVector(100000, 1));
  (*sink)->flush();
  BOOST_TEST((*sink)->error() == "/dev/full: No space left on device");
  (*sink)->put(ByteVector(10, 1));
  (*sink)->flush();
  BOOST_TEST((*sink)->error() == "/dev/full: No space left on device");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
