#include "core/linux/settings.hh"

#include <charconv>

namespace dashi {
namespace {

std::optional<PortRange> parse_range(std::string_view text) {
  const size_t dash = text.find('-');
  const auto first = parse_port(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_port(text.substr(dash + 1));
  if (!first || !last || last->number < first->number) return std::nullopt;
  return PortRange{*first, *last};
}

// "[::1]:80:80" or "127.0.0.1:80:80": the address, and what follows it.
std::optional<IpAddress> take_address(std::string_view& text) {
  if (text.starts_with("[")) {
    const size_t end = text.find("]:");
    if (end == std::string_view::npos) return std::nullopt;
    const auto v6 = parse_ipv6(text.substr(1, end - 1));
    text.remove_prefix(end + 2);
    if (!v6) return std::nullopt;
    return IpAddress(*v6);
  }
  const size_t end = text.find(':');
  const auto v4 = parse_ipv4(text.substr(0, end));
  text.remove_prefix(end + 1);
  if (!v4) return std::nullopt;
  return IpAddress(*v4);
}

}  // namespace

std::optional<ForwardSpec> parse_forward(std::string_view text, std::string& error) {
  const std::string whole(text);
  const auto refuse = [&](const char* why) {
    error = "-p " + whole + ": " + why;
    return std::nullopt;
  };
  ForwardSpec out;
  if (text.starts_with("udp:")) {
    out.protocol = ForwardProtocol::kUdp;
  } else if (!text.starts_with("tcp:")) {
    return refuse("begins with tcp: or udp:");
  }
  text.remove_prefix(4);
  const bool has_address = text.starts_with("[") || text.find(':') != text.rfind(':');
  if (has_address) {
    out.address = take_address(text);
    if (!out.address) return refuse("the address is not one (IPv6 goes in brackets)");
  }
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return refuse("is [ADDR:]HOSTPORT[-END]:GUESTPORT");
  const auto range = parse_range(text.substr(0, colon));
  const auto guest = parse_port(text.substr(colon + 1));
  if (!range) return refuse("the host port is not 0 to 65535, or a range of them");
  if (!guest || guest->number == 0) return refuse("the guest port is not 1 to 65535");
  out.first = range->first;
  out.last = range->last;
  out.guest_port = *guest;
  const int count = out.last.number - out.first.number;
  if (out.first.number == 0 && count != 0) return refuse("port 0 picks one, not a range");
  if (guest->number + count > 65535) return refuse("the range ends beyond guest port 65535");
  return out;
}

std::optional<std::vector<PortRange>> parse_ports(std::string_view text) {
  std::vector<PortRange> out;
  while (true) {
    const size_t comma = text.find(',');
    const auto range = parse_range(text.substr(0, comma));
    if (!range || range->first.number == 0) return std::nullopt;
    out.push_back(*range);
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

std::optional<uint32_t> parse_size(std::string_view text) {
  uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [unit, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{}) return std::nullopt;
  if (unit == end) return number;
  if (std::string_view(unit, static_cast<size_t>(end - unit)) != "KiB") return std::nullopt;
  if (number > UINT32_MAX / 1024) return std::nullopt;
  return number * 1024;
}

}  // namespace dashi
