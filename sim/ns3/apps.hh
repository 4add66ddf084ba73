// What the ends of an ns-3 world's connections do: a stream end that sends a pattern and checks what
// it receives, a UDP echo server and client, a pinger, a DNS server and its client. They run on ns-3 nodes over ns-3's own
// sockets and know nothing of the Nat. Owned by the world; what they saw stays in their records.
#pragma once

#include <ns3/node.h>
#include <ns3/socket.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "sim/event_queue.hh"
#include "sim/ns3/datagram_socket.hh"
#include "sim/ns3/stream_socket.hh"
#include "sim/sim_dns.hh"

namespace dashi {

// What one end of a connection is to do.
struct StreamRole {
  uint64_t send_bytes = 0;  // of `send_pattern`
  uint64_t send_pattern = 0;
  uint64_t expect_bytes = 0;  // of `expect_pattern`; what comes must be exactly that
  uint64_t expect_pattern = 0;
  bool finish_after_send = true;  // FIN behind what it sends; else once the peer's FIN came
  bool send_after_eof = false;    // begins to send when the peer's FIN came
  uint64_t abort_after = 0;       // RST once so many bytes came; 0: never
  Duration read_late{};           // reads nothing for so long after it was connected
};

struct StreamRecord {
  bool connected = false;
  uint64_t sent = 0;      // bytes given to ns-3
  uint64_t received = 0;  // bytes
  bool eof = false;
  std::optional<SocketError> failure;
  std::optional<uint64_t> wrong_at;  // offset of the first byte that is not the pattern's
  Instant connected_at = kNever;
  Instant first_byte_at = kNever;
  Instant last_byte_at = kNever;
  Instant eof_at = kNever;
};

class StreamEnd {
 public:
  // `changed` is called when the record did; it must not destroy the end.
  StreamEnd(EventQueue& queue, ns3::Ptr<Ns3TcpSocket> socket, const StreamRole& role,
            std::function<void()> changed);
  ~StreamEnd();
  StreamEnd(const StreamEnd&) = delete;
  StreamEnd& operator=(const StreamEnd&) = delete;

  const StreamRecord& record() const { return record_; }
  // All that was expected came, its FIN as well, and all that was to be sent was taken.
  bool satisfied() const;

 private:
  void look();
  void read();
  void write();

  EventQueue& queue_;
  ns3::Ptr<Ns3TcpSocket> socket_;
  StreamRole role_;
  std::function<void()> changed_;
  EventId reads_;  // pending while it reads late
  StreamRecord record_;
  std::vector<uint8_t> scratch_;
};

// Accepts one connection on a port, and gives it a role.
class StreamServer {
 public:
  StreamServer(EventQueue& queue, const ns3::Ptr<ns3::Node>& node, const HostTcpOptions& options,
               const Endpoint& local, const StreamRole& role, std::function<void()> changed);
  ~StreamServer();
  StreamServer(const StreamServer&) = delete;
  StreamServer& operator=(const StreamServer&) = delete;

  bool listening() const { return listening_; }
  Endpoint local() const { return listener_->local(); }
  const StreamEnd* end() const { return end_.get(); }  // null: nobody came yet

 private:
  void accept();

  EventQueue& queue_;
  SocketEvents events_;
  ns3::Ptr<ListenerState> listener_;
  bool listening_ = false;
  StreamRole role_;
  std::function<void()> changed_;
  std::unique_ptr<StreamEnd> end_;
};

// Sends every datagram back where it came from.
class UdpEchoServer {
 public:
  UdpEchoServer(const ns3::Ptr<ns3::Node>& node, const Endpoint& local);
  ~UdpEchoServer();
  UdpEchoServer(const UdpEchoServer&) = delete;
  UdpEchoServer& operator=(const UdpEchoServer&) = delete;

 private:
  void readable(ns3::Ptr<ns3::Socket> socket);
  ns3::Ptr<ns3::Socket> socket_;
};

// Answers names over UDP from a table, as the native worlds' servers do.
class NameServer {
 public:
  NameServer(const ns3::Ptr<ns3::Node>& node, const Endpoint& local,
             std::vector<DnsTableEntry> table);
  ~NameServer();
  NameServer(const NameServer&) = delete;
  NameServer& operator=(const NameServer&) = delete;

 private:
  void readable(ns3::Ptr<ns3::Socket> socket);
  ns3::Ptr<ns3::Socket> socket_;
  std::vector<DnsTableEntry> table_;
};

// A stub resolver's one question over UDP, asked again while nobody answers.
class NameQuery {
 public:
  static constexpr Duration kPatience = 3s;
  static constexpr uint32_t kAsks = 3;

  // `type`: 1 = A, 28 = AAAA.
  NameQuery(EventQueue& queue, const ns3::Ptr<ns3::Node>& node, const Endpoint& server, uint16_t id,
            const std::string& name, uint16_t type, std::function<void()> changed);
  ~NameQuery();
  NameQuery(const NameQuery&) = delete;
  NameQuery& operator=(const NameQuery&) = delete;

  const std::optional<DnsAnswer>& answer() const { return answer_; }
  bool given_up() const { return given_up_; }

 private:
  void ask();
  void readable(ns3::Ptr<ns3::Socket> socket);

  EventQueue& queue_;
  ns3::Ptr<ns3::Socket> socket_;
  Endpoint server_;
  uint16_t id_;
  std::vector<uint8_t> query_;
  std::function<void()> changed_;
  uint32_t asked_ = 0;
  bool given_up_ = false;
  EventId again_;
  std::optional<DnsAnswer> answer_;
};

// A row of requests, numbered, each answered or not: UDP echo or ICMP echo.
struct ProbeRecord {
  uint32_t sent = 0;
  uint32_t answered = 0;
  uint32_t wrong = 0;  // answers with other bytes than were sent
  std::vector<Duration> round_trips;
  std::optional<NetError> error;
};

struct ProbeSpec {
  Endpoint remote;  // port 0 for ICMP
  uint32_t count = 1;
  uint32_t payload_bytes = 56;  // at least 8
  Duration interval = 1s;
  uint8_t ttl = 0;  // 0: the node's default
};

class Prober : public EchoHub::User {
 public:
  // `hub`: of the node, for ICMP; null for UDP.
  Prober(EventQueue& queue, const ns3::Ptr<ns3::Node>& node, EchoHub* hub, const ProbeSpec& spec,
         std::function<void()> changed);
  ~Prober() override;
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  const ProbeRecord& record() const { return record_; }
  bool all_sent() const { return record_.sent == spec_.count; }
  bool satisfied() const { return all_sent() && record_.answered == record_.sent; }

 private:
  void send_next();
  void answered(uint32_t sequence, Bytes payload);
  void readable(ns3::Ptr<ns3::Socket> socket);
  void reply(EchoHub::Arrived arrived) override;
  void error(const NetError& error) override;
  std::vector<uint8_t> payload(uint32_t sequence) const;

  EventQueue& queue_;
  ns3::Ptr<ns3::Socket> socket_;  // UDP
  EchoHub* hub_;
  uint16_t identifier_ = 0;
  ProbeSpec spec_;
  std::function<void()> changed_;
  std::vector<Instant> sent_at_;
  std::vector<bool> seen_;
  EventId next_;
  ProbeRecord record_;
};

}  // namespace dashi
