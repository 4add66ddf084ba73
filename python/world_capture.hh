// A capture file of a simulated world: writer, sink and decorator in one, and the hooks by which a
// world's driver feeds it. It outlives the world's Nat.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "pcap/write/capture.hh"
#include "pcap/write/file_sink.hh"
#include "sim/nat_driver.hh"

namespace dashi::python {

class WorldCapture {
 public:
  // Throws WorldError if the file cannot be made.
  WorldCapture(const std::string& path, uint64_t seed);

  Env wrap(const Env& env);
  DriverHooks hooks();
  // An IP packet of a link of the world's, on an interface of its own called "wan".
  void add_wan_packet(Instant at, bool inward, Bytes packet);
  // Writes all there is; throws WorldError if the disk took it not.
  void flush();

 private:
  std::unique_ptr<FileSink> sink_;
  PcapngWriter writer_;
  std::optional<Capture> capture_;
  std::optional<uint32_t> wan_;
};

}  // namespace dashi::python
