#include "pcap/read/capture_reader.hh"

#include <pcap.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace dashi {

void CaptureReader::Close::operator()(pcap* handle) const { pcap_close(handle); }

Result<std::unique_ptr<CaptureReader>, std::string> CaptureReader::open(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) return path + ": " + std::generic_category().message(errno);
  std::array<char, PCAP_ERRBUF_SIZE> message{};
  pcap* handle =
      pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, message.data());
  if (handle == nullptr) {
    (void)std::fclose(file);
    return path + ": offset 0: " + message.data();
  }
  std::unique_ptr<CaptureReader> reader(new CaptureReader(path, file, handle));
  const int link = pcap_datalink(handle);
  if (link != DLT_EN10MB) {
    const char* name = pcap_datalink_val_to_name(link);
    return path + ": link type " + (name != nullptr ? name : std::to_string(link)) +
           ", and only Ethernet can be fed to a guest's link";
  }
  return reader;
}

Result<std::optional<ReadPacket>, std::string> CaptureReader::next() {
  pcap_pkthdr* header = nullptr;
  const uint8_t* data = nullptr;
  const int outcome = pcap_next_ex(handle_.get(), &header, &data);
  if (outcome == PCAP_ERROR_BREAK) return std::optional<ReadPacket>();  // the end
  if (outcome != 1) {
    return path_ + ": packet " + std::to_string(packets_ + 1) + " (offset " +
           std::to_string(std::ftell(file_)) + "): " + pcap_geterr(handle_.get());
  }
  ReadPacket packet;
  packet.number = ++packets_;
  // A file may say any time; 64 bits of nanoseconds end in 2262.
  constexpr int64_t kSecondsMax = 8'000'000'000;
  if (header->ts.tv_sec > kSecondsMax || header->ts.tv_sec < -kSecondsMax) {
    return path_ + ": packet " + std::to_string(packets_) + ": its time, second " +
           std::to_string(header->ts.tv_sec) + ", is out of range";
  }
  // With nanosecond precision tv_usec holds nanoseconds.
  packet.unix_ns = int64_t{header->ts.tv_sec} * 1'000'000'000 + header->ts.tv_usec;
  packet.frame = Bytes(data, header->caplen);
  packet.original_bytes = header->len;
  return std::optional<ReadPacket>(packet);
}

}  // namespace dashi
