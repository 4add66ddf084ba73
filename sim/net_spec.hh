// The in-memory internet as data: the NAT's own host, remote hosts, the paths between them and what
// each host serves. Plain values, filled in by tests, scenarios and Python; sim_net makes it live.
#pragma once

#include <string>
#include <vector>

#include "core/env/sockets.hh"
#include "sim/link/faults.hh"

namespace dashi {

// Between the NAT's host and one remote host, the same both ways. Streams are abstracted: a chunk
// that is lost or damaged is sent again, which may be lost too, and what loses all carries no stream;
// but nothing is sent more slowly for it. Datagrams are really lost.
struct PathSpec {
  Duration delay{};       // one way
  uint64_t rate_bps = 0;  // bits a second, each way; 0: no bound
  uint8_t hops = 1;       // routers on the way: a packet needs a TTL above this
  uint32_t mtu = 1500;    // bytes; a datagram above it with don't-fragment is answered "too big"
  LinkFaults faults;
};

enum class AppKind : uint8_t {
  kEcho,            // sends back what comes; FIN for FIN
  kSource,          // sends `bytes` bytes of its pattern, then FIN
  kSink,            // takes all, checks it against its pattern; FIN for FIN
  kRefuse,          // TCP: RST; UDP: port unreachable
  kBlackhole,       // never answers
  kUnreachable,     // answered by `failure`
  kResetAfter,      // resets after `bytes` bytes came
  kSlowReader,      // takes `bytes` bytes every `interval`; FIN for FIN
  kBanner,          // sends `text` and closes
  kAcceptAndClose,  // closes at once
  kDns,             // answers from the net's table, UDP and TCP
  kManual,          // does nothing of itself: a test moves it
  kEchoClient,  // (active) sends `bytes` of its pattern, FIN, and checks that the same comes back
};
const char* name_of(AppKind kind);

// How a connect or datagram fails on its way. An unspecified reporter is the path's last router.
struct NetFailure {
  SocketError error = SocketError::kHostUnreachable;
  uint8_t icmp_type = 3;  // as for IPv4; over IPv6 its like is reported
  uint8_t icmp_code = 1;
  IpAddress reporter;
};

// How a DNS server misbehaves, if it does.
enum class DnsFault : uint8_t {
  kNone,
  kSilent,
  kSlow,
  kTruncated,
  kWrongId,
  kWrongQuestion,
  kServfail
};

struct AppSpec {
  AppKind kind = AppKind::kEcho;
  uint64_t bytes = 0;
  uint64_t pattern = 0;         // names the byte pattern: see pattern.hh
  bool checks_pattern = false;  // kSink: what comes must be the pattern
  Duration interval{};          // kSlowReader; kDns with kSlow: the delay of an answer
  std::string text;
  NetFailure failure;
  DnsFault dns_fault = DnsFault::kNone;
  size_t receive_buffer = 0;  // bytes; 0: the net's
};

enum class Transport : uint8_t { kTcp = 6, kUdp = 17 };

struct ServiceSpec {
  Transport transport = Transport::kTcp;
  Port port;
  AppSpec app;
};

struct HostSpec {
  std::string name;
  std::vector<IpAddress> addresses;
  PathSpec path;
  bool answers_echo = true;
  bool silent = false;  // nothing at all comes back, not even a refusal
  std::vector<ServiceSpec> services;
};

struct DnsTableEntry {
  std::string name;  // without a trailing dot, lower case
  std::vector<IpAddress> addresses;
  std::string text;  // one TXT string of up to 255 bytes; empty: none
};

struct NetSpec {
  HostSpec here;  // the NAT's host; its services are reached by loopback
  std::vector<HostSpec> hosts;
  bool unknown_is_silent = false;  // an address nobody has: no answer, else network unreachable
  std::vector<DnsTableEntry> dns_table;
  Ipv4Address router_v4{
      {198, 51, 100, 1}};  // who reports errors on the way; hop n is n - 1 above it
  Ipv6Address router_v6{{0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  Duration connect_timeout = 127s;  // Linux's default: six SYN retransmissions
  Duration retransmit = 200ms;  // until a stream's lost chunk is sent again, at least; then doubled
  size_t send_buffer = size_t{256} << 10;
  size_t receive_buffer = size_t{256} << 10;
  size_t datagram_queue = size_t{208} << 10;  // bytes waiting in one datagram socket
  uint32_t listen_backlog = 128;
  uint32_t open_files = 1u << 20;  // of the NAT's host: sockets at once
};

// What may go wrong with a call of the NAT's sockets (sim/README.md, Faults).
struct SocketFaults {
  Chance short_write;
  Chance would_block;  // any call that may; the edge follows after would_block_for
  DurationRange would_block_for{1us, 5ms};
  Chance reset;  // an established connection, when it is used
  Chance connect_late;
  DurationRange connect_late_by{1ms, 2s};
  Chance connect_fails;
  SocketError connect_error = SocketError::kRefused;
  Chance too_many_sockets;  // connect, accept, open
  Chance no_buffers;        // connect, send
};

// A net with hosts and services for every behaviour, at well-known addresses; what most tests and all
// named worlds start from. Host "server" 203.0.113.10 and 2001:db8:1::10 with echo on 7, sink on 9,
// banner on 13, source on 19, DNS on 53; "slow" .20, "far" .30, "silent" .40, "refusing" .50.
NetSpec standard_net();

}  // namespace dashi
