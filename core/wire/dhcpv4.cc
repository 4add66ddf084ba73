#include "core/wire/dhcpv4.hh"

#include <algorithm>

namespace dashi {
namespace {

constexpr size_t kMaxOptionData = 255;

bool read_address(Bytes data, std::optional<Ipv4Address>& to) {
  if (data.size() != sizeof(Ipv4Address)) return false;
  if (!to.has_value()) to = load<Ipv4Address>(data);
  return true;
}

// Takes what a server reads; false if the option's length is wrong for its code.
bool read_option(const Dhcpv4Option& option, Dhcpv4Request& request) {
  switch (option.code) {
    case Dhcpv4OptionCode::kMessageType:
      if (option.data.size() != 1) return false;
      if (request.type == Dhcpv4Type{}) request.type = static_cast<Dhcpv4Type>(option.data[0]);
      return true;
    case Dhcpv4OptionCode::kRequestedAddress:
      return read_address(option.data, request.requested_address);
    case Dhcpv4OptionCode::kServerId:
      return read_address(option.data, request.server_id);
    case Dhcpv4OptionCode::kMaxMessageSize:
      if (option.data.size() != sizeof(Be16)) return false;
      request.max_message_size = std::max<uint16_t>(load<Be16>(option.data), kDhcpv4MinMaxSize);
      return true;
    case Dhcpv4OptionCode::kClientId:
      if (request.client_id.empty()) request.client_id = option.data;
      return true;
    case Dhcpv4OptionCode::kParameterList:
      if (request.parameter_list.empty()) request.parameter_list = option.data;
      return true;
    default:
      return true;
  }
}

}  // namespace

std::optional<Dhcpv4Option> Dhcpv4Options::next() {
  while (!rest_.empty()) {
    const auto code = static_cast<Dhcpv4OptionCode>(rest_[0]);
    if (code == Dhcpv4OptionCode::kEnd) break;
    if (code == Dhcpv4OptionCode::kPad) {
      rest_ = rest_.subspan(1);
      continue;
    }
    if (rest_.size() < 2 || rest_.size() - 2 < rest_[1]) {
      malformed_ = true;
      break;
    }
    const size_t length = rest_[1];
    const Dhcpv4Option option{code, rest_.subspan(2, length)};
    rest_ = rest_.subspan(2 + length);
    return option;
  }
  rest_ = {};
  return std::nullopt;
}

size_t Dhcpv4OptionWriter::size_of(size_t data_bytes) {
  const size_t instances = data_bytes == 0 ? 1 : (data_bytes + kMaxOptionData - 1) / kMaxOptionData;
  return data_bytes + 2 * instances;
}

bool Dhcpv4OptionWriter::put(Dhcpv4OptionCode code, Bytes data) {
  if (to_.size() - size_ < size_of(data.size())) return false;
  do {
    const Bytes piece = data.first(std::min(data.size(), kMaxOptionData));
    data = data.subspan(piece.size());
    to_[size_] = static_cast<uint8_t>(code);
    to_[size_ + 1] = static_cast<uint8_t>(piece.size());
    size_ += 2 + copy_bytes(to_.subspan(size_ + 2), piece);
  } while (!data.empty());
  return true;
}

bool Dhcpv4OptionWriter::put_end() {
  if (to_.size() == size_) return false;
  to_[size_++] = static_cast<uint8_t>(Dhcpv4OptionCode::kEnd);
  return true;
}

std::optional<Dhcpv4Request> parse_dhcpv4_request(Bytes payload) {
  if (payload.size() < sizeof(Dhcpv4Header)) return std::nullopt;
  Dhcpv4Request request;
  request.header = load<Dhcpv4Header>(payload);
  const Dhcpv4Header& header = request.header;
  if (header.op != kBootRequest || uint32_t{header.cookie} != kDhcpv4Cookie) return std::nullopt;
  if (header.hardware_type != kDhcpv4HardwareEthernet ||
      header.hardware_length != sizeof(MacAddress)) {
    return std::nullopt;
  }
  if (header.client_mac.is_multicast() || header.client_mac.is_zero()) return std::nullopt;
  Dhcpv4Options options(payload.subspan(sizeof(Dhcpv4Header)));
  while (const std::optional<Dhcpv4Option> option = options.next()) {
    if (!read_option(*option, request)) return std::nullopt;
  }
  if (options.malformed() || request.type == Dhcpv4Type{}) return std::nullopt;
  return request;
}

}  // namespace dashi
