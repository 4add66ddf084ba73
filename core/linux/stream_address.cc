#include "core/linux/stream_address.hh"

namespace dashi {

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const auto port = parse_port(text.substr(colon + 1));
  if (!port) return std::nullopt;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    const auto v6 = parse_ipv6(host.substr(1, host.size() - 2));
    if (!v6) return std::nullopt;
    return Endpoint{*v6, *port};
  }
  const auto v4 = parse_ipv4(host);
  if (!v4) return std::nullopt;
  return Endpoint{*v4, *port};
}

std::optional<StreamAddress> parse_stream_address(std::string_view text) {
  if (text.starts_with("unix:")) {
    StreamAddress out;
    out.path = text.substr(5);
    // sockaddr_un has room for 107 bytes and a zero.
    if (out.path.empty() || out.path.size() > 107) return std::nullopt;
    return out;
  }
  if (!text.starts_with("tcp:")) return std::nullopt;
  std::string rest(text.substr(4));
  if (rest.starts_with("localhost:")) rest.replace(0, 9, "127.0.0.1");
  const auto endpoint = parse_endpoint(rest);
  if (!endpoint) return std::nullopt;
  StreamAddress out;
  out.endpoint = *endpoint;
  return out;
}

std::string to_string(const StreamAddress& address) {
  if (!address.path.empty()) return "unix:" + address.path;
  return "tcp:" + to_string(address.endpoint);
}

}  // namespace dashi
