// Captures, pcap and pcapng: any file at all gives packets and then its end, or an error, the same each
// time, and no packet is longer than the file. Input: the file.
#include <sys/mman.h>
#include <unistd.h>

#include "pcap/read/capture_reader.hh"
#include "tests/fuzz/failure.hh"

namespace {

using dashi::fuzz::expect;

struct Reading {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t sum = 0;
  std::string error;
  friend bool operator==(const Reading&, const Reading&) = default;
};

Reading read(const std::string& path, size_t file_bytes) {
  Reading out;
  auto reader = dashi::CaptureReader::open(path);
  if (!reader.ok()) {
    out.error = reader.error();
    return out;
  }
  for (;;) {
    const auto packet = (*reader)->next();
    if (!packet.ok()) {
      out.error = packet.error();
      return out;
    }
    if (!packet->has_value()) return out;
    const dashi::ReadPacket& read = **packet;
    expect(read.number == ++out.packets, "packets are not counted one by one");
    expect(read.frame.size() <= file_bytes, "a packet is longer than its file");
    out.bytes += read.frame.size();
    out.sum += static_cast<uint64_t>(read.unix_ns);
    for (const uint8_t byte : read.frame) out.sum = out.sum * 31 + byte;
  }
}

// One file in memory for all inputs.
int memory_file() {
  static const int file = memfd_create("capture", MFD_CLOEXEC);
  expect(file >= 0, "no file in memory");
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int file = memory_file();
  expect(ftruncate(file, 0) == 0, "ftruncate");
  expect(pwrite(file, data, size, 0) == static_cast<ssize_t>(size), "pwrite");
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  const Reading first = read(path, size);
  expect(first == read(path, size), "a file reads in two ways");
  return 0;
}
