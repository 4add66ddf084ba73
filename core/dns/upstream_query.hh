// One question of the guest on its way through the host's resolvers: plain state, owned by Resolver.
#pragma once

#include <memory>

#include "core/base/time.hh"
#include "core/env/sockets.hh"
#include "core/wire/dns.hh"

namespace dashi {

// Whom the answer is for. The resolver carries it and does not look at it, but for `tcp`.
struct DnsOrigin {
  bool tcp = false;  // asked over TCP: the whole answer is wanted, whatever its size
  // Over UDP:
  Endpoint guest;
  IpAddress gateway;          // the address of ours that was asked
  uint64_t message_hash = 0;  // of the query as it came, id included
  // Over TCP:
  uint32_t stream = 0;
};

struct UpstreamQuery {
  enum class State : uint8_t {
    kUdp,         // sent over UDP; datagram is set
    kConnecting,  // stream is set
    kTcp,         // connected; stream is set
    kAnswered,    // the answer waits to be taken; stream is set iff more of a transfer may follow
    kFailed,      // every server was asked in every round
    kEnded,       // a zone transfer is over: nothing is left to be said
  };

  DnsOrigin origin;
  DnsQuestion question;
  State state = State::kUdp;
  bool transfer = false;   // AXFR or IXFR over TCP: several messages may answer (RFC 5936 2.2)
  bool delivered = false;  // a message of the transfer was taken
  bool declined = false;   // a server that was asked said that it cannot or will not answer
  uint16_t guest_id = 0;
  uint16_t id = 0;             // of this try (RFC 5452 4.3)
  Endpoint server;             // of this try
  uint32_t first = 0;          // index of the server asked first
  uint32_t tries = 0;          // begun
  uint32_t serial = 0;         // names this try's socket: its FlowId's generation
  Instant deadline = kNever;   // of this try; armed iff state is kUdp, kConnecting or kTcp
  Instant tcp_until = kNever;  // this try's last moment over TCP, however busy the server is
  uint32_t written = 0;        // bytes of the framed query the stream took
  std::unique_ptr<DatagramSocket> datagram;
  std::unique_ptr<StreamSocket> stream;

  bool waiting() const { return state <= State::kTcp; }
};

}  // namespace dashi
