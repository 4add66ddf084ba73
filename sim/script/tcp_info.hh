// The names of Linux's struct tcp_info, as assertions in scripts use them, answered from what the NAT
// knows of its connection to the guest; and the kernel's constants they are compared with. Congestion
// windows count segments, as the kernel's do; times are in its units.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/tcp/guest_tcp_info.hh"

namespace dashi::script {

// Nothing: the NAT has no such value.
std::optional<int64_t> tcp_info_value(const std::string& name, const GuestTcpInfo& info);
// TCP_ESTABLISHED, TCP_CA_Open, ...
std::optional<int64_t> tcp_constant(const std::string& name);

}  // namespace dashi::script
