// The host's sockets as the core sees them. Implemented in memory (sim), over ns-3 (sim/ns3) and
// over Linux (core/linux); one conformance suite holds all three to this contract:
//
// - Nothing blocks and nothing calls back. Events are queued by the implementation and delivered by
//   the driver through Nat::handle_sockets.
// - Errors are kWouldBlock or terminal. The implementation latches the first terminal error, from
// any
//   call or event, and returns it for ever after: an abort never looks like a FIN.
// - Readiness events are edges: kReadable after an arrival, kWritable after a write that fell
// short.
//   The core remembers them until kWouldBlock.
// - peek, write and consume are synchronous.
// - The core closes a stream only when everything peeked was consumed and EOF or abort followed,
// else
//   it calls abort(): closing over unread bytes would send RST and could lose uplink data.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "core/base/bytes.hh"
#include "core/base/result.hh"
#include "core/env/flow_id.hh"
#include "core/wire/address.hh"

namespace dashi {

enum class SocketError : uint8_t {
  kWouldBlock,  // try again after the matching edge
  kRefused,     // the peer answered RST, or port unreachable
  kReset,       // RST, or an abort by the peer
  kTimedOut,
  kHostUnreachable,
  kNetworkUnreachable,
  kTtlExceeded,
  kAccessDenied,    // EACCES, EPERM
  kTooManySockets,  // EMFILE, ENFILE: our own limit
  kNoBuffers,       // ENOBUFS, ENOMEM
  kMessageTooLong,  // EMSGSIZE
  kAddressInUse,
  kAddressNotAvailable,
  kClosed,  // EPIPE: written after shutdown_write
  kNotSupported,
  kOther,
};

// What the host's network said about a flow. `quoted` is the start of the datagram that caused it
// (its transport payload), borrowed until the handler returns.
struct NetError {
  SocketError error = SocketError::kOther;
  uint8_t icmp_type = 0;  // 0 with icmp_code 0: no ICMP message was seen
  uint8_t icmp_code = 0;
  uint32_t mtu = 0;            // bytes; set for packet too big, 0 if not known
  IpAddress reporter;          // who sent the ICMP message; unspecified if unknown
  Endpoint original_remote;    // whom the datagram was for
  uint16_t echo_sequence = 0;  // for EchoSocket: the request's sequence number
  Bytes quoted;
};

struct SocketEvent {
  enum class Kind : uint8_t {
    kConnected,      // connect succeeded; the socket is writable
    kConnectFailed,  // error says how; the socket is terminal
    kReadable,       // bytes, EOF, datagrams or a terminal error to be had by peek or receive
    kWritable,       // room after a short write
    kAcceptable,     // a Listener has a connection
    kNetError,       // an ICMP error for a datagram or echo socket
  };
  FlowId id;
  Kind kind{};
  NetError error;
};

struct Peeked {
  size_t bytes = 0;
  bool eof = false;  // the peer's FIN follows these bytes directly
};

// For people only; nothing in the core depends on it.
struct HostTcpInfo {
  uint64_t rtt_ns = 0;
  uint64_t cwnd_bytes = 0;
  uint64_t unsent_bytes = 0;
  uint64_t unacked_bytes = 0;
};

class StreamSocket {
 public:
  virtual ~StreamSocket() = default;  // closes gracefully: FIN after what was written
  // Fills `into` with received bytes from `offset` bytes past the first unconsumed one. Idempotent.
  // Past the end: kWouldBlock while more may come, else {0, eof}.
  virtual Result<Peeked, SocketError> peek(size_t offset, std::span<const MutableBytes> into) = 0;
  // Discards exactly n bytes, all of them peeked before.
  virtual void consume(size_t n) = 0;
  // Takes bytes from the front of `from`; fewer than given means a kWritable edge follows.
  virtual Result<size_t, SocketError> write(std::span<const Bytes> from) = 0;
  virtual void shutdown_write() = 0;  // FIN after what was written
  virtual void abort() = 0;           // RST; the socket is terminal
  virtual HostTcpInfo info() const = 0;
  virtual Endpoint local() const = 0;
};

struct Accepted {
  std::unique_ptr<StreamSocket> socket;
  Endpoint remote;
  Endpoint local;
};

// A listening socket, pulled: after kAcceptable, accept until kWouldBlock. An error such as
// kTooManySockets leaves the listener alive and its queue as it was.
class Listener {
 public:
  virtual ~Listener() = default;
  // The accepted socket's events will carry `id`.
  virtual Result<Accepted, SocketError> accept(FlowId id) = 0;
  virtual Endpoint local() const = 0;  // with the port that was chosen if 0 was asked for
};

struct OutDatagram {
  Endpoint remote;
  IpAddress local;  // source address to answer from; unspecified = the host chooses
  Bytes payload;
  uint16_t segment_size = 0;  // bytes; not 0: payload is a row of datagrams of this size (USO)
  uint8_t ttl = 0;            // 0 = the host's default
  uint8_t tos = 0;
  bool dont_fragment = false;
};

struct InDatagram {
  MutableBytes buffer;        // given by the caller
  size_t size = 0;            // bytes received; never beyond buffer
  bool truncated = false;     // the datagram was longer than buffer
  uint16_t segment_size = 0;  // bytes; not 0: a row of datagrams of this size (GRO)
  Endpoint remote;
  Endpoint local;   // the address it was sent to, by which it is answered; unspecified if unknown
  uint8_t ttl = 0;  // 0 = unknown
  uint8_t tos = 0;
};

class DatagramSocket {
 public:
  virtual ~DatagramSocket() = default;
  // The number taken from the front, or the error that stopped the first. kMessageTooLong comes with a
  // kNetError about that datagram, queued before the call returns, with the path's MTU where the
  // implementation knows it: so what is too long here is told as what is too long further on.
  virtual Result<size_t, SocketError> send(std::span<const OutDatagram> datagrams) = 0;
  // The number filled from the front, at least 1, or kWouldBlock. An ICMP error is an event, never
  // a result: it does not end the socket.
  virtual Result<size_t, SocketError> receive(std::span<InDatagram> datagrams) = 0;
  virtual Endpoint local() const = 0;
};

struct OutEcho {
  IpAddress remote;
  uint16_t sequence = 0;
  Bytes payload;
  uint8_t ttl = 0;  // 0 = the host's default
  uint8_t tos = 0;
  bool dont_fragment = false;
};

struct InEcho {
  MutableBytes buffer;
  size_t size = 0;
  bool truncated = false;
  IpAddress remote;
  uint16_t sequence = 0;
  uint8_t ttl = 0;  // 0 = unknown
  uint8_t tos = 0;
};

// Echo requests out, echo replies in, under one identifier of the host's choice (RFC 5508 3.1): the
// core keeps one socket for each guest identifier and so maps ids without seeing the host's.
class EchoSocket {
 public:
  virtual ~EchoSocket() = default;
  virtual Result<size_t, SocketError> send(std::span<const OutEcho> echoes) = 0;  // as above
  virtual Result<size_t, SocketError> receive(std::span<InEcho> echoes) = 0;
};

struct ConnectOptions {
  IpAddress source;  // unspecified = the host chooses
  uint8_t ttl = 0;   // of the SYN and all that follows; 0 = the host's default
  uint8_t tos = 0;
};

class Sockets {
 public:
  virtual ~Sockets() = default;
  // Success means "begun": kConnected or kConnectFailed follows, never before the call returns.
  virtual Result<std::unique_ptr<StreamSocket>, SocketError> connect(const Endpoint& remote,
                                                                     const ConnectOptions& options,
                                                                     FlowId id) = 0;
  virtual Result<std::unique_ptr<Listener>, SocketError> listen(const Endpoint& local,
                                                                FlowId id) = 0;
  // `local` with an unspecified address and port 0 is a fresh socket of that family.
  virtual Result<std::unique_ptr<DatagramSocket>, SocketError> open_datagram(const Endpoint& local,
                                                                             FlowId id) = 0;
  virtual Result<std::unique_ptr<EchoSocket>, SocketError> open_echo(Family family, FlowId id) = 0;

  // The live socket of a saved flow; null where there is none or the implementation keeps none.
  virtual std::unique_ptr<StreamSocket> adopt_stream(FlowId id) = 0;
  virtual std::unique_ptr<Listener> adopt_listener(FlowId id) = 0;
  virtual std::unique_ptr<DatagramSocket> adopt_datagram(FlowId id) = 0;
  virtual std::unique_ptr<EchoSocket> adopt_echo(FlowId id) = 0;
};

}  // namespace dashi
