// core/env's DatagramSocket and EchoSocket over ns-3's UDP and raw sockets, and the two places where
// ns-3 tells of ICMP errors: UdpTap, put in front of a node's UDP so that an error arrives with the
// ports of the datagram that caused it, and the raw ICMP socket that echo shares. ns-3 quotes no more
// than 8 bytes after the IP header, so NetError::quoted is always empty here.
#pragma once

#include <ns3/ip-l4-protocol.h>
#include <ns3/node.h>
#include <ns3/socket.h>

#include <functional>
#include <map>
#include <memory>

#include "sim/ns3/socket_events.hh"

namespace dashi {

class Ns3Sockets;

// An ICMP error about a datagram of ours.
struct DatagramError {
  Endpoint local;
  NetError error;  // original_remote is set
};

// Stands in a node's protocol table where its UDP stood, and passes everything on.
class UdpTap final : public ns3::IpL4Protocol {
 public:
  static ns3::TypeId GetTypeId();
  UdpTap(ns3::Ptr<ns3::IpL4Protocol> udp, std::function<void(const DatagramError&)> on_error);

  int GetProtocolNumber() const override { return udp_->GetProtocolNumber(); }
  RxStatus Receive(ns3::Ptr<ns3::Packet> packet, const ns3::Ipv4Header& header,
                   ns3::Ptr<ns3::Ipv4Interface> interface) override;
  RxStatus Receive(ns3::Ptr<ns3::Packet> packet, const ns3::Ipv6Header& header,
                   ns3::Ptr<ns3::Ipv6Interface> interface) override;
  void ReceiveIcmp(ns3::Ipv4Address from, uint8_t ttl, uint8_t type, uint8_t code, uint32_t info,
                   ns3::Ipv4Address source, ns3::Ipv4Address destination,
                   const uint8_t payload[8]) override;
  void ReceiveIcmp(ns3::Ipv6Address from, uint8_t ttl, uint8_t type, uint8_t code, uint32_t info,
                   ns3::Ipv6Address source, ns3::Ipv6Address destination,
                   const uint8_t payload[8]) override;
  void SetDownTarget(DownTargetCallback callback) override { udp_->SetDownTarget(callback); }
  void SetDownTarget6(DownTargetCallback6 callback) override { udp_->SetDownTarget6(callback); }
  DownTargetCallback GetDownTarget() const override { return udp_->GetDownTarget(); }
  DownTargetCallback6 GetDownTarget6() const override { return udp_->GetDownTarget6(); }

 private:
  void tell(const IpAddress& from, uint8_t type, uint8_t code, uint32_t info,
            const IpAddress& source, const IpAddress& destination, const uint8_t* ports);

  ns3::Ptr<ns3::IpL4Protocol> udp_;
  std::function<void(const DatagramError&)> on_error_;
};

class DatagramState {
 public:
  DatagramState(SocketEvents& events, FlowId id, ns3::Ptr<ns3::Node> node,
                ns3::Ptr<ns3::Socket> socket, Family family);
  ~DatagramState();
  DatagramState(const DatagramState&) = delete;
  DatagramState& operator=(const DatagramState&) = delete;

  Result<size_t, SocketError> send(std::span<const OutDatagram> datagrams);
  Result<size_t, SocketError> receive(std::span<InDatagram> datagrams);
  Endpoint local() const { return local_; }
  FlowId id() const { return id_; }
  void error(const NetError& error) { events_.push(id_, SocketEvent::Kind::kNetError, error); }

 private:
  SocketError too_long(const OutDatagram& datagram);
  Result<Done, SocketError> send_one(const OutDatagram& datagram, Bytes payload);
  void readable(ns3::Ptr<ns3::Socket> socket);

  SocketEvents& events_;
  FlowId id_;
  ns3::Ptr<ns3::Node> node_;
  ns3::Ptr<ns3::Socket> socket_;
  Family family_;
  Endpoint local_;
  uint64_t readable_turn_ = 0;
};

class Ns3DatagramSocket final : public DatagramSocket {
 public:
  Ns3DatagramSocket(Ns3Sockets& owner, std::unique_ptr<DatagramState> state)
      : owner_(owner), state_(std::move(state)) {}
  ~Ns3DatagramSocket() override;
  Result<size_t, SocketError> send(std::span<const OutDatagram> datagrams) override {
    return state_->send(datagrams);
  }
  Result<size_t, SocketError> receive(std::span<InDatagram> datagrams) override {
    return state_->receive(datagrams);
  }
  Endpoint local() const override { return state_->local(); }

 private:
  Ns3Sockets& owner_;
  std::unique_ptr<DatagramState> state_;
};

// One raw ICMP socket of a node and family; echo sockets share it by identifier.
class EchoHub {
 public:
  struct Arrived {
    IpAddress remote;
    uint16_t sequence = 0;
    uint8_t ttl = 0;
    uint8_t tos = 0;
    std::vector<uint8_t> payload;
  };
  struct User {
    virtual ~User() = default;
    virtual void reply(Arrived arrived) = 0;
    virtual void error(const NetError& error) = 0;
  };

  EchoHub(const ns3::Ptr<ns3::Node>& node, Family family);
  ~EchoHub();
  EchoHub(const EchoHub&) = delete;
  EchoHub& operator=(const EchoHub&) = delete;

  // An identifier nobody else uses; 0 if all are taken.
  uint16_t join(User& user);
  void leave(uint16_t identifier) { users_.erase(identifier); }
  Result<Done, SocketError> send(uint16_t identifier, const OutEcho& echo);

 private:
  void readable(ns3::Ptr<ns3::Socket> socket);
  void message(const IpAddress& from, uint8_t ttl, uint8_t tos, Bytes icmp);
  void error_message(const IpAddress& from, Bytes icmp);

  Family family_;
  ns3::Ptr<ns3::Socket> socket_;
  std::map<uint16_t, User*> users_;
  uint16_t next_identifier_ = 1;
};

class EchoState final : public EchoHub::User {
 public:
  EchoState(SocketEvents& events, FlowId id, EchoHub& hub);
  ~EchoState() override;

  bool opened() const { return identifier_ != 0; }
  Result<size_t, SocketError> send(std::span<const OutEcho> echoes);
  Result<size_t, SocketError> receive(std::span<InEcho> echoes);
  void reply(EchoHub::Arrived arrived) override;
  void error(const NetError& error) override;
  FlowId id() const { return id_; }

 private:
  static constexpr size_t kMostWaiting = 64;

  void tell_too_long(const OutEcho& echo);

  SocketEvents& events_;
  FlowId id_;
  EchoHub& hub_;
  uint16_t identifier_;
  std::vector<EchoHub::Arrived> waiting_;  // the oldest first; at most kMostWaiting
};

class Ns3EchoSocket final : public EchoSocket {
 public:
  Ns3EchoSocket(Ns3Sockets& owner, std::unique_ptr<EchoState> state)
      : owner_(owner), state_(std::move(state)) {}
  ~Ns3EchoSocket() override;
  Result<size_t, SocketError> send(std::span<const OutEcho> echoes) override {
    return state_->send(echoes);
  }
  Result<size_t, SocketError> receive(std::span<InEcho> echoes) override {
    return state_->receive(echoes);
  }

 private:
  Ns3Sockets& owner_;
  std::unique_ptr<EchoState> state_;
};

}  // namespace dashi
