#include "sim/script/icmp_names.hh"

#include <array>

namespace dashi::script {
namespace {

struct IcmpName {
  Family family;
  const char* type;
  const char* code;  // "": any, the type has but one
  uint8_t type_number;
  uint8_t code_number;
};

constexpr Family k4 = Family::kIpv4;
constexpr Family k6 = Family::kIpv6;

constexpr std::array<IcmpName, 37> kNames{{
    {k4, "unreachable", "net_unreachable", 3, 0},
    {k4, "unreachable", "host_unreachable", 3, 1},
    {k4, "unreachable", "protocol_unreachable", 3, 2},
    {k4, "unreachable", "port_unreachable", 3, 3},
    {k4, "unreachable", "frag_needed", 3, 4},
    {k4, "unreachable", "source_route_failed", 3, 5},
    {k4, "unreachable", "net_unknown", 3, 6},
    {k4, "unreachable", "host_unknown", 3, 7},
    {k4, "unreachable", "source_host_isolated", 3, 8},
    {k4, "unreachable", "net_prohibited", 3, 9},
    {k4, "unreachable", "host_prohibited", 3, 10},
    {k4, "unreachable", "net_unreachable_for_tos", 3, 11},
    {k4, "unreachable", "host_unreachable_for_tos", 3, 12},
    {k4, "unreachable", "packet_filtered", 3, 13},
    {k4, "unreachable", "precedence_violation", 3, 14},
    {k4, "unreachable", "precedence_cutoff", 3, 15},
    {k4, "source_quench", "", 4, 0},
    {k4, "time_exceeded", "exceeded_in_transit", 11, 0},
    {k4, "time_exceeded", "exceeded_reassembly", 11, 1},
    {k4, "time_exceeded", "", 11, 0},
    {k4, "parameter_problem", "", 12, 0},
    {k4, "echo_request", "", 8, 0},
    {k4, "echo_reply", "", 0, 0},
    {k6, "unreachable", "no_route", 1, 0},
    {k6, "unreachable", "admin_prohibited", 1, 1},
    {k6, "unreachable", "beyond_scope", 1, 2},
    {k6, "unreachable", "address_unreachable", 1, 3},
    {k6, "unreachable", "port_unreachable", 1, 4},
    {k6, "packet_too_big", "", 2, 0},
    {k6, "time_exceeded", "exceeded_in_transit", 3, 0},
    {k6, "time_exceeded", "", 3, 0},
    {k6, "parameter_problem", "header_field", 4, 0},
    {k6, "parameter_problem", "next_header", 4, 1},
    {k6, "parameter_problem", "ipv6_option", 4, 2},
    {k6, "parameter_problem", "", 4, 0},
    {k6, "echo_request", "", 128, 0},
    {k6, "echo_reply", "", 129, 0},
}};

// One script serves both families: what IPv4 calls so is that of IPv6's.
struct Alike {
  const char* code;
  const char* type6;
  const char* code6;
};
constexpr std::array<Alike, 5> kAlike{
    {{"frag_needed", "packet_too_big", ""},
     {"host_unreachable", "unreachable", "address_unreachable"},
     {"net_unreachable", "unreachable", "no_route"},
     {"packet_filtered", "unreachable", "admin_prohibited"},
     {"protocol_unreachable", "parameter_problem", "next_header"}}};

const IcmpName* exactly(Family family, const std::string& type, const std::string& code) {
  for (const IcmpName& name : kNames) {
    if (name.family == family && type == name.type && code == name.code) return &name;
  }
  return nullptr;
}

const IcmpName* find(Family family, const IcmpSpec& icmp) {
  if (family == k6) {
    for (const Alike& alike : kAlike) {
      if (icmp.type == "unreachable" && icmp.code == alike.code) {
        return exactly(family, alike.type6, alike.code6);
      }
    }
  }
  return exactly(family, icmp.type, icmp.code);
}

}  // namespace

bool is_echo(const IcmpSpec& icmp) {
  return icmp.type == "echo_request" || icmp.type == "echo_reply";
}

bool is_known(Family family, const IcmpSpec& icmp) { return find(family, icmp) != nullptr; }

std::pair<uint8_t, uint8_t> number_icmp(Family family, const IcmpSpec& icmp) {
  const IcmpName* name = find(family, icmp);
  DASHI_CHECK(name != nullptr);
  return {name->type_number, name->code_number};
}

void name_icmp(Family family, uint8_t type, uint8_t code, IcmpSpec& icmp) {
  for (const IcmpName& name : kNames) {
    if (name.family != family || name.type_number != type || name.code_number != code) continue;
    icmp.type = name.type;
    icmp.code = name.code;
    return;
  }
  icmp.type = std::to_string(type);
  icmp.code = std::to_string(code);
}

}  // namespace dashi::script
