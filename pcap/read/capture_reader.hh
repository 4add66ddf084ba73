// Reads captures, pcap and pcapng, packet by packet with nanoseconds, through libpcap. It does not
// judge what is in a packet: that is for whoever is fed with it.
//
// An error is a line for people that names the file, the packet's number and the offset at which
// reading stopped. Ethernet only.
#pragma once

#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "core/base/bytes.hh"
#include "core/base/result.hh"

struct pcap;

namespace dashi {

struct ReadPacket {
  uint64_t number = 0;        // as Wireshark counts: the first is 1
  int64_t unix_ns = 0;        // nanoseconds since 1970
  Bytes frame;                // borrowed until the next call
  size_t original_bytes = 0;  // more than frame.size(): the capture cut it off
};

class CaptureReader {
 public:
  static Result<std::unique_ptr<CaptureReader>, std::string> open(const std::string& path);

  // The next packet, or nothing at the end of the file.
  Result<std::optional<ReadPacket>, std::string> next();

 private:
  struct Close {
    void operator()(pcap* handle) const;
  };

  CaptureReader(std::string path, std::FILE* file, pcap* handle)
      : path_(std::move(path)), file_(file), handle_(handle) {}

  std::string path_;
  std::FILE* file_;  // the handle's, for its position
  std::unique_ptr<pcap, Close> handle_;
  uint64_t packets_ = 0;
};

}  // namespace dashi
