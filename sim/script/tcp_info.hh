// The names of Linux's struct tcp_info, as assertions in scripts use them, answered from what the NAT
// knows of its connection to the guest; and the kernel's constants they are compared with. Congestion
// windows count segments, as the kernel's do; times are in its units.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/tcp/guest_tcp_info.hh"

namespace dashi::script {

// A name's value, or a constant's: TCP_ESTABLISHED, TCP_CA_Open, ... Nothing: the NAT has no such value,
// or there is no connection.
std::optional<int64_t> tcp_info_value(const std::string& name,
                                      const std::optional<GuestTcpInfo>& info);

}  // namespace dashi::script
