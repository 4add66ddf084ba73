// Where a stream link listens, as people write it: unix:PATH or tcp:HOST:PORT, HOST an address.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/wire/address.hh"

namespace dashi {

struct StreamAddress {
  std::string path;   // of the UNIX socket; empty: TCP
  Endpoint endpoint;  // of the TCP socket
};

std::optional<StreamAddress> parse_stream_address(std::string_view text);
// 10.0.0.1:80 or [fd00::1]:80.
std::optional<Endpoint> parse_endpoint(std::string_view text);
std::string to_string(const StreamAddress& address);

}  // namespace dashi
