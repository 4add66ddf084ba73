// Every table, queue and reassembly has its bound here. At a bound the guest sees a refusal and a
// counter moves; memory never grows beyond it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dashi {

struct Limits {
  uint32_t tcp_connections = 8192;
  uint32_t tcp_connects_pending = 1024;
  // Peers of forwarded ports that the guest has not answered, of all ports together; never more than half
  // of tcp_connections. Those beyond wait in the host's backlog, and are taken as others are answered.
  uint32_t tcp_accepts_pending = 512;
  uint32_t tcp_time_wait = 16384;
  uint32_t tcp_forwards = 1024;                      // listeners: an address and a port each
  uint32_t tcp_reassembly_gaps = 64;                 // out-of-order ranges a connection
  size_t tcp_uplink_bytes_each = size_t{1} << 20;    // held for the host by one connection
  size_t tcp_uplink_bytes_total = size_t{64} << 20;  // held for the host by all
  uint32_t tcp_failures_remembered = 1024;           // connect failures kept for 1 s
  uint32_t udp_endpoints = 2048;
  uint32_t udp_contacts =
      8192;  // remotes that guest endpoints have sent to, of all endpoints together
  uint32_t udp_forwards = 1024;  // sockets: an address and a port each
  uint32_t echo_ids = 256;
  uint32_t guest_addresses_v6 = 16;
  uint32_t reassemblies = 16;  // packets that come in fragments, of at most 64 KiB each
  uint32_t dns_queries = 256;
  uint32_t dns_tcp_connections = 32;
  uint32_t dns_records = 1024;
};

}  // namespace dashi
