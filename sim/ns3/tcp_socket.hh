// ns-3's TCP as every end of our worlds uses it: the Nat's host sockets, guests, and servers. The
// machine is ns3::TcpSocketBase; this subclass adds what a host's socket layer needs and ns-3 hides
// (a reset that is seen and told from a close, abort, half close that ends), and keeps ns-3 3.37 from
// what no TCP may do. Each correction says what ns-3 does without it. It is not an adapter to
// core/env: stream_socket.hh is, and this class knows nothing of flows.
//
// Its user owns it by ns3::Ptr, looks at it whenever the function given to observe() is called, and
// lets go of it with detach(); ns-3's demultiplexer keeps it alive until the connection has ended.
#pragma once

#include <ns3/tcp-socket-base.h>

#include <functional>
#include <optional>

#include "core/env/sockets.hh"
#include "sim/ns3/ns3_world_config.hh"

namespace dashi {

struct TcpSocketOptions {
  uint32_t segment_size = 1448;      // bytes of payload a segment: MTU - 52
  uint32_t buffer_bytes = 4u << 20;  // of the send and of the receive buffer
  bool announce_mss = true;          // ns-3 itself sends no MSS option
  TcpCongestion congestion = TcpCongestion::kReno;
};

class Ns3TcpSocket final : public ns3::TcpSocketBase {
 public:
  static ns3::TypeId GetTypeId();
  ns3::TypeId GetInstanceTypeId() const override;
  static ns3::Ptr<Ns3TcpSocket> create(const ns3::Ptr<ns3::Node>& node,
                                       const TcpSocketOptions& options);

  Ns3TcpSocket();
  Ns3TcpSocket(const Ns3TcpSocket& other);  // a listener's fork: nobody observes it yet
  ~Ns3TcpSocket() override;

  // Calls `changed` after anything that may have changed what the getters below say. It may call
  // back into the socket.
  void observe(std::function<void()> changed) { changed_ = std::move(changed); }
  // The user is gone: what was written is delivered, then FIN; data that still comes is answered with
  // RST, and after a minute without the peer's FIN the socket is dropped.
  void detach();

  bool connected() const { return m_connected; }
  bool closed() const { return m_state == CLOSED; }
  uint32_t readable_bytes() const { return GetRxAvailable(); }
  // The peer's FIN came and every byte before it was taken.
  bool at_eof() const;
  // How the connection broke, if it did. Set once; a graceful close is none.
  const std::optional<NetError>& failure() const { return failure_; }
  bool fin_asked() const { return fin_asked_; }
  HostTcpInfo info() const;

  // Up to `max` received bytes; opens the window to the peer again where it was nearly shut.
  ns3::Ptr<ns3::Packet> take(uint32_t max);
  // Queues `packet`, which fits GetTxAvailable().
  void put(const ns3::Ptr<ns3::Packet>& packet);
  // FIN after what was put.
  void finish();
  // RST; the socket is closed.
  void abort();

 private:
  void DoForwardUp(ns3::Ptr<ns3::Packet> packet, const ns3::Address& from,
                   const ns3::Address& to) override;
  ns3::Ptr<ns3::TcpSocketBase> Fork() override;
  void SendEmptyPacket(uint8_t flags) override;
  void PersistTimeout() override;

  void install();
  void forward_synchronized(const ns3::Ptr<ns3::Packet>& packet, const ns3::TcpHeader& header,
                            const ns3::Address& from, const ns3::Address& to);
  void forward_ack(const ns3::Ptr<ns3::Packet>& packet, const ns3::TcpHeader& header,
                   const ns3::Address& from, const ns3::Address& to);
  void deliver_fin(const ns3::TcpHeader& header, const ns3::Address& from, const ns3::Address& to);
  void reset_by_peer(const ns3::TcpHeader& header);
  void settle();
  void try_fin();
  void restart_lost_timers();
  void update_window();
  void fail(const NetError& error);
  void fail(SocketError error);
  void end();
  void changed();
  bool has_endpoint() const { return m_endPoint != nullptr || m_endPoint6 != nullptr; }
  bool sends_data() const;
  bool awaits_last_ack() const { return m_state == LAST_ACK || m_state == CLOSING; }
  ns3::SequenceNumber32 highest_sent() const;
  bool in_flight() const;  // data, FIN aside
  uint32_t window_for_new_data() const;

  void before_send(ns3::Ptr<const ns3::Packet> packet, const ns3::TcpHeader& header,
                   ns3::Ptr<const ns3::TcpSocketBase> socket);
  void connect_succeeded(ns3::Ptr<ns3::Socket> socket);
  void connect_failed(ns3::Ptr<ns3::Socket> socket);
  void closed_by_error(ns3::Ptr<ns3::Socket> socket);
  void icmp(ns3::Ipv4Address from, uint8_t ttl, uint8_t type, uint8_t code, uint32_t info);
  void icmp6(ns3::Ipv6Address from, uint8_t ttl, uint8_t type, uint8_t code, uint32_t info);
  void icmp_error(Family family, const IpAddress& from, uint8_t type, uint8_t code);
  void orphan_timeout();

  std::function<void()> changed_;
  std::optional<NetError> failure_;
  std::optional<ns3::SequenceNumber32> held_fin_;  // the peer's, while bytes before it are missing
  ns3::EventId orphan_event_;
  ns3::Time first_persist_;  // m_persistTimeout before it was backed off
  uint32_t fins_sent_ = 0;
  uint32_t probes_sent_ = 0;  // since the peer was last heard
  bool fin_asked_ = false;
  bool orphan_ = false;
  bool announce_mss_ = true;
};

}  // namespace dashi
