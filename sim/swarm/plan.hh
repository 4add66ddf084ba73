// A run that is planned as data: a world, the TCP connections in it with what both ends do, errands
// beside them, and the time from which nothing goes wrong any more. Tests write plans by hand, a swarm
// draws them from a seed; performance.hh carries one out and judges it.
//
// Connection i has a port of its own and bytes of its own pattern at both ends, so that what either end
// saw is compared with what the other end did.
#pragma once

#include "sim/world.hh"

namespace dashi {

// One TCP connection and what both ends do on it.
struct Exchange {
  enum class Way : uint8_t {
    kOut,  // the guest calls a host
    kIn,   // a host calls the guest through a forwarded port
    kDns,  // the guest asks the gateway's DNS over TCP
  };
  Way way = Way::kOut;
  Family family = Family::kIpv4;
  uint32_t host = 1;  // of the net, from 1
  Duration after{};   // opened so long after the guest has its addresses
  AppSpec guest;
  AppSpec far;  // but for kDns
};

// Something beside TCP. Nobody has to answer: links lose.
struct Errand {
  enum class Kind : uint8_t {
    kPing,
    kDatagram,
    kResolve,
    kDatagramIn,  // to the forwarded UDP port
    kAbort,       // the guest resets connection `number`
    kRestore,     // the Nat is saved and restored
    kJunk,        // a frame no good guest sends: junk.hh
  };
  Kind kind{};
  Family family = Family::kIpv4;
  uint32_t host = 1;
  Duration after{};
  uint32_t bytes = 0;
  uint32_t number = 0;  // TTL, port or connection
};

struct Plan {
  WorldConfig config;
  std::vector<Exchange> exchanges;
  std::vector<Errand> errands;
  Duration faults_end{};  // nothing goes wrong from then on; if zero, given faults still do
  Duration bound{};       // so long after that every connection is over for the guest
  Duration settle{};      // and after that so long, and nothing is left
  bool whole = false;     // nothing here may break a connection: every byte arrives
  bool encore = false;    // when all is over, one connection more a family, which must come through
};

// A net of three hosts, for worlds made by the thousand, and limits to go with it: no table is larger than
// such a world needs.
NetSpec small_net();
Limits small_limits();

// The ports of connection `index`.
Port service_port(size_t index);    // kOut: of the host
Port forwarded_port(size_t index);  // kIn: of the NAT's host
Port guest_port(size_t index);      // kIn: of the guest

// The plan's config with what its connections need: services, forwards, patterns.
WorldConfig world_for(const Plan& plan);
// What connection `index` writes and expects at the guest's end and at the other.
AppSpec guest_app(const Plan& plan, size_t index);
AppSpec far_app(const Plan& plan, size_t index);

}  // namespace dashi
