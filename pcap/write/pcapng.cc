#include "pcap/write/pcapng.hh"

#include <algorithm>

#include "core/base/check.hh"

namespace dashi {
namespace {

constexpr uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr uint32_t kInterfaceDescription = 1;
constexpr uint32_t kEnhancedPacket = 6;
constexpr uint32_t kCustomCopied = 0x00000bad;

constexpr uint16_t kLinkTypeEthernet = 1;

constexpr uint16_t kOptionEnd = 0;
constexpr uint16_t kOptionComment = 1;
constexpr uint16_t kSectionApplication = 4;
constexpr uint16_t kInterfaceName = 2;
constexpr uint16_t kInterfaceDescriptionText = 3;
constexpr uint16_t kInterfaceTimeResolution = 9;
constexpr uint16_t kPacketFlags = 2;

constexpr size_t kOptionBytesMax = 0xffff;

}  // namespace

// Little-endian throughout, so that a capture is the same bytes on every machine.
void PcapngWriter::put16(uint16_t value) {
  block_.push_back(static_cast<uint8_t>(value));
  block_.push_back(static_cast<uint8_t>(value >> 8));
}

void PcapngWriter::put32(uint32_t value) {
  put16(static_cast<uint16_t>(value));
  put16(static_cast<uint16_t>(value >> 16));
}

void PcapngWriter::put_bytes(Bytes bytes) {
  block_.insert(block_.end(), bytes.begin(), bytes.end());
}

void PcapngWriter::pad() {
  while (block_.size() % 4 != 0) block_.push_back(0);
}

void PcapngWriter::option(uint16_t code, Bytes value) {
  const Bytes shown = value.first(std::min(value.size(), kOptionBytesMax));
  put16(code);
  put16(static_cast<uint16_t>(shown.size()));
  put_bytes(shown);
  pad();
}

void PcapngWriter::option(uint16_t code, std::string_view text) {
  if (text.empty()) return;
  option(code, Bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

void PcapngWriter::end_options() {
  put16(kOptionEnd);
  put16(0);
}

void PcapngWriter::begin(uint32_t block_type) {
  DASHI_CHECK(block_.empty());
  put32(block_type);
  put32(0);  // the length, known at the end
}

void PcapngWriter::end() {
  const auto length = static_cast<uint32_t>(block_.size() + sizeof(uint32_t));
  put32(length);
  for (size_t i = 0; i < sizeof(length); ++i) {
    block_[4 + i] = static_cast<uint8_t>(length >> (8 * i));
  }
  sink_.put(block_);
  block_.clear();
}

PcapngWriter::PcapngWriter(Sink& sink, const PcapngHeader& header)
    : sink_(sink), unix_ns_at_zero_(header.unix_ns_at_zero) {
  begin(kSectionHeader);
  put32(kByteOrderMagic);
  put16(1);  // version 1.0
  put16(0);
  put32(0xffffffff);  // length of the section: unknown, it is still being written
  put32(0xffffffff);
  option(kOptionComment, header.comment);
  option(kSectionApplication, header.application);
  end_options();
  end();
}

uint32_t PcapngWriter::add_interface(std::string_view name, std::string_view description) {
  begin(kInterfaceDescription);
  put16(kLinkTypeEthernet);
  put16(0);
  put32(0);  // no snapshot length
  option(kInterfaceName, name);
  option(kInterfaceDescriptionText, description);
  const uint8_t nanoseconds_each = 9;  // 10^-9 s
  option(kInterfaceTimeResolution, Bytes(&nanoseconds_each, 1));
  end_options();
  end();
  return interfaces_++;
}

void PcapngWriter::write(const PcapngPacket& packet) {
  DASHI_CHECK(packet.interface < interfaces_);
  const auto at = static_cast<uint64_t>(nanoseconds(packet.at) + unix_ns_at_zero_);
  size_t size = 0;
  for (Bytes piece : packet.pieces) size += piece.size();
  begin(kEnhancedPacket);
  put32(packet.interface);
  put32(static_cast<uint32_t>(at >> 32));
  put32(static_cast<uint32_t>(at));
  put32(static_cast<uint32_t>(size));  // captured
  put32(static_cast<uint32_t>(size));  // on the wire
  for (Bytes piece : packet.pieces) put_bytes(piece);
  pad();
  option(kOptionComment, packet.comment);
  if (packet.direction != PacketDirection::kUnknown) {
    const std::array<uint8_t, 4> flags{static_cast<uint8_t>(packet.direction), 0, 0, 0};
    option(kPacketFlags, flags);
  }
  end_options();
  end();
  ++packets_;
}

void PcapngWriter::custom(uint32_t enterprise, Bytes data) {
  begin(kCustomCopied);
  put32(enterprise);
  put_bytes(data);
  pad();
  end();
}

}  // namespace dashi
