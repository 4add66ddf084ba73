#include "core/wire/dhcpv6.hh"

namespace dashi {
namespace {

constexpr size_t kIaFixed = 12;   // IAID, T1, T2
constexpr size_t kIaTaFixed = 4;  // IAID

bool read_duid(Bytes data, Bytes& to) {
  if (data.size() < kDuidMin || data.size() > kDuidMax || !to.empty()) return false;
  to = data;
  return true;
}

// Takes what a server reads; false if the option is malformed.
bool read_option(const Dhcpv6Option& option, Dhcpv6Message& message) {
  switch (option.code) {
    case Dhcpv6OptionCode::kClientId:
      return read_duid(option.data, message.client_id);
    case Dhcpv6OptionCode::kServerId:
      return read_duid(option.data, message.server_id);
    case Dhcpv6OptionCode::kIaNa:
    case Dhcpv6OptionCode::kIaPd:
      message.has_ia = true;
      return option.data.size() >= kIaFixed;
    case Dhcpv6OptionCode::kIaTa:
      message.has_ia = true;
      return option.data.size() >= kIaTaFixed;
    default:
      return true;
  }
}

}  // namespace

std::optional<Dhcpv6Option> Dhcpv6Options::next() {
  if (rest_.empty()) return std::nullopt;
  constexpr size_t kOverhead = Dhcpv6OptionWriter::kOverhead;
  if (rest_.size() < kOverhead || rest_.size() - kOverhead < load<Be16>(rest_.subspan(2))) {
    malformed_ = true;
    rest_ = {};
    return std::nullopt;
  }
  const auto code = static_cast<Dhcpv6OptionCode>(uint16_t{load<Be16>(rest_)});
  const size_t length = load<Be16>(rest_.subspan(2));
  const Dhcpv6Option option{code, rest_.subspan(kOverhead, length)};
  rest_ = rest_.subspan(kOverhead + length);
  return option;
}

bool Dhcpv6OptionWriter::put(Dhcpv6OptionCode code, Bytes data) {
  if (room() < kOverhead + data.size() || data.size() > 0xffff) return false;
  store(to_.subspan(size_), Be16(static_cast<uint16_t>(code)));
  store(to_.subspan(size_ + 2), Be16(static_cast<uint16_t>(data.size())));
  size_ += kOverhead + copy_bytes(to_.subspan(size_ + kOverhead), data);
  return true;
}

std::optional<Dhcpv6Message> parse_dhcpv6(Bytes payload) {
  if (payload.size() < sizeof(Dhcpv6Header)) return std::nullopt;
  Dhcpv6Message message;
  message.header = load<Dhcpv6Header>(payload);
  message.options = payload.subspan(sizeof(Dhcpv6Header));
  Dhcpv6Options options(message.options);
  while (const std::optional<Dhcpv6Option> option = options.next()) {
    if (!read_option(*option, message)) return std::nullopt;
  }
  if (options.malformed()) return std::nullopt;
  return message;
}

}  // namespace dashi
