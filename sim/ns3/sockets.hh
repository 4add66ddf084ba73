// The host's sockets in an ns-3 world: core/env's Sockets on one ns-3 node. Owns the events that are
// waiting for the driver, and the connections of a Nat that was saved, until it is restored. The node
// and the simulation are the world's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "sim/ns3/datagram_socket.hh"
#include "sim/ns3/stream_socket.hh"

namespace dashi {

class Ns3Sockets final : public Sockets {
 public:
  Ns3Sockets(ns3::Ptr<ns3::Node> node, const HostTcpOptions& options);
  ~Ns3Sockets() override;

  Result<std::unique_ptr<StreamSocket>, SocketError> connect(const Endpoint& remote,
                                                             const ConnectOptions& options,
                                                             FlowId id) override;
  Result<std::unique_ptr<Listener>, SocketError> listen(const Endpoint& local, FlowId id) override;
  Result<std::unique_ptr<DatagramSocket>, SocketError> open_datagram(const Endpoint& local,
                                                                     FlowId id) override;
  Result<std::unique_ptr<EchoSocket>, SocketError> open_echo(Family family, FlowId id) override;
  std::unique_ptr<StreamSocket> adopt_stream(FlowId id) override;
  std::unique_ptr<Listener> adopt_listener(FlowId id) override;
  std::unique_ptr<DatagramSocket> adopt_datagram(FlowId id) override;
  std::unique_ptr<EchoSocket> adopt_echo(FlowId id) override;

  bool has_events() const { return !events_.empty(); }
  void take_events(std::vector<SocketEvent>& into, size_t most) { events_.take(into, most); }
  // Called when an event comes and none was waiting.
  void set_wake(std::function<void()> wake) { events_.set_wake(std::move(wake)); }

  // While true, a socket that is destroyed stays open and waits to be adopted under its id: what a
  // Nat that was saved leaves behind.
  void set_keep(bool keep) { keep_ = keep; }
  // Closes what nobody adopted.
  void drop_kept();
  // Sockets that are open: for tests that look for leaks.
  size_t open_count() const { return open_; }

 private:
  friend class Ns3StreamSocket;
  friend class Ns3Listener;
  friend class Ns3DatagramSocket;
  friend class Ns3EchoSocket;
  void release(std::unique_ptr<StreamState> state);
  void release(ns3::Ptr<ListenerState> state);
  void release(std::unique_ptr<DatagramState> state);
  void release(std::unique_ptr<EchoState> state);
  void opened() { ++open_; }

  bool has_address(const IpAddress& address) const;
  EchoHub& hub(Family family);
  void insert_udp_tap();
  void datagram_error(const DatagramError& error);

  ns3::Ptr<ns3::Node> node_;
  HostTcpOptions options_;
  SocketEvents events_;
  bool keep_ = false;
  size_t open_ = 0;
  std::unique_ptr<EchoHub> hub_v4_;
  std::unique_ptr<EchoHub> hub_v6_;
  std::map<FlowId, DatagramState*> datagrams_;
  std::map<FlowId, std::unique_ptr<StreamState>> kept_streams_;
  std::map<FlowId, ns3::Ptr<ListenerState>> kept_listeners_;
  std::map<FlowId, std::unique_ptr<DatagramState>> kept_datagrams_;
  std::map<FlowId, std::unique_ptr<EchoState>> kept_echoes_;
};

}  // namespace dashi
