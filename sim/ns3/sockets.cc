#include "sim/ns3/sockets.hh"

#include <ns3/ipv4.h>
#include <ns3/ipv6.h>
#include <ns3/udp-l4-protocol.h>
#include <ns3/udp-socket-factory.h>

#include <utility>

#include "sim/ns3/convert.hh"

namespace dashi {

Ns3Sockets::Ns3Sockets(ns3::Ptr<ns3::Node> node, const HostTcpOptions& options)
    : node_(std::move(node)), options_(options), events_(nullptr) {
  insert_udp_tap();
}

Ns3Sockets::~Ns3Sockets() {
  keep_ = false;
  drop_kept();
}

void Ns3Sockets::insert_udp_tap() {
  const auto udp = node_->GetObject<ns3::UdpL4Protocol>();
  const auto ipv4 = node_->GetObject<ns3::Ipv4>();
  const auto ipv6 = node_->GetObject<ns3::Ipv6>();
  DASHI_CHECK(udp != nullptr && ipv4 != nullptr && ipv6 != nullptr);
  const auto tap =
      ns3::CreateObject<UdpTap>(udp, [this](const DatagramError& error) { datagram_error(error); });
  ipv4->Remove(udp);
  ipv4->Insert(tap);
  ipv6->Remove(udp);
  ipv6->Insert(tap);
}

bool Ns3Sockets::has_address(const IpAddress& address) const {
  if (address.is_unspecified()) return true;
  if (address.is_v4()) {
    return node_->GetObject<ns3::Ipv4>()->GetInterfaceForAddress(to_ns3(address.v4())) >= 0;
  }
  return node_->GetObject<ns3::Ipv6>()->GetInterfaceForAddress(to_ns3(address.v6())) >= 0;
}

Result<std::unique_ptr<StreamSocket>, SocketError> Ns3Sockets::connect(
    const Endpoint& remote, const ConnectOptions& options, FlowId id) {
  if (remote.port.number == 0 || remote.address.is_unspecified()) {
    return SocketError::kAddressNotAvailable;
  }
  if (remote.address.is_multicast()) return SocketError::kNetworkUnreachable;
  if (!has_address(options.source)) return SocketError::kAddressNotAvailable;
  const auto socket = Ns3TcpSocket::create(node_, options_.tcp);
  if (!options.source.is_unspecified()) {
    if (socket->Bind(to_ns3(Endpoint{options.source, Port{0}})) != 0) {
      socket->detach();
      return SocketError::kAddressNotAvailable;
    }
  }
  if (options.ttl != 0) {
    socket->SetIpTtl(options.ttl);
    socket->SetIpv6HopLimit(options.ttl);
  }
  ns3::Address to = to_ns3(remote);
  if (options.tos != 0) {
    if (remote.address.is_v4()) {
      auto with_tos = ns3::InetSocketAddress::ConvertFrom(to);
      with_tos.SetTos(options.tos);
      to = with_tos;
    } else {
      socket->SetIpv6Tclass(options.tos);
    }
  }
  if (socket->Connect(to) != 0) {
    socket->abort();
    return SocketError::kNetworkUnreachable;  // no route, or no port left
  }
  opened();
  return std::unique_ptr<StreamSocket>(
      new Ns3StreamSocket(*this, std::make_unique<StreamState>(events_, options_, id, socket)));
}

Result<std::unique_ptr<Listener>, SocketError> Ns3Sockets::listen(const Endpoint& local,
                                                                  FlowId id) {
  if (!has_address(local.address)) return SocketError::kAddressNotAvailable;
  const auto socket = Ns3TcpSocket::create(node_, options_.tcp);
  ns3::Ptr<ListenerState> state = ns3::Create<ListenerState>(events_, options_, id, socket);
  if (!state->begin(local)) {
    state->close();
    return SocketError::kAddressInUse;
  }
  opened();
  return std::unique_ptr<Listener>(new Ns3Listener(*this, state));
}

Result<std::unique_ptr<DatagramSocket>, SocketError> Ns3Sockets::open_datagram(
    const Endpoint& local, FlowId id) {
  if (!has_address(local.address)) return SocketError::kAddressNotAvailable;
  auto socket = ns3::Socket::CreateSocket(node_, ns3::UdpSocketFactory::GetTypeId());
  if (socket->Bind(to_ns3(local)) != 0) {
    socket->Close();
    return SocketError::kAddressInUse;
  }
  auto state = std::make_unique<DatagramState>(events_, id, node_, socket, local.address.family());
  datagrams_[id] = state.get();
  opened();
  return std::unique_ptr<DatagramSocket>(new Ns3DatagramSocket(*this, std::move(state)));
}

EchoHub& Ns3Sockets::hub(Family family) {
  auto& hub = family == Family::kIpv4 ? hub_v4_ : hub_v6_;
  if (hub == nullptr) hub = std::make_unique<EchoHub>(node_, family);
  return *hub;
}

Result<std::unique_ptr<EchoSocket>, SocketError> Ns3Sockets::open_echo(Family family, FlowId id) {
  auto state = std::make_unique<EchoState>(events_, id, hub(family));
  if (!state->opened()) return SocketError::kTooManySockets;
  opened();
  return std::unique_ptr<EchoSocket>(new Ns3EchoSocket(*this, std::move(state)));
}

// The error goes to the socket that sent from that port, and through it to its flow.
void Ns3Sockets::datagram_error(const DatagramError& error) {
  for (const auto& [id, state] : datagrams_) {
    const Endpoint local = state->local();
    if (local.port != error.local.port || local.address.family() != error.local.address.family()) {
      continue;
    }
    if (local.address.is_unspecified() || local.address == error.local.address) {
      state->error(error.error);
      return;
    }
  }
}

// --- Save and restore ---

void Ns3Sockets::release(std::unique_ptr<StreamState> state) {
  if (state == nullptr) return;
  if (keep_) {
    const FlowId id = state->id();
    kept_streams_[id] = std::move(state);
  } else {
    --open_;
  }
}

void Ns3Sockets::release(ns3::Ptr<ListenerState> state) {
  if (state == nullptr) return;
  if (keep_) {
    kept_listeners_[state->id()] = state;
  } else {
    state->close();
    --open_;
  }
}

void Ns3Sockets::release(std::unique_ptr<DatagramState> state) {
  if (state == nullptr) return;
  const FlowId id = state->id();
  if (keep_) {
    kept_datagrams_[id] = std::move(state);
  } else {
    const auto found = datagrams_.find(id);
    if (found != datagrams_.end() && found->second == state.get()) datagrams_.erase(found);
    --open_;
  }
}

void Ns3Sockets::release(std::unique_ptr<EchoState> state) {
  if (state == nullptr) return;
  if (keep_) {
    const FlowId id = state->id();
    kept_echoes_[id] = std::move(state);
  } else {
    --open_;
  }
}

void Ns3Sockets::drop_kept() {
  keep_ = false;
  for (auto& [id, state] : kept_streams_) release(std::move(state));
  for (auto& [id, state] : kept_listeners_) release(std::move(state));
  for (auto& [id, state] : kept_datagrams_) release(std::move(state));
  for (auto& [id, state] : kept_echoes_) release(std::move(state));
  kept_streams_.clear();
  kept_listeners_.clear();
  kept_datagrams_.clear();
  kept_echoes_.clear();
}

std::unique_ptr<StreamSocket> Ns3Sockets::adopt_stream(FlowId id) {
  auto node = kept_streams_.extract(id);
  if (node.empty()) return nullptr;
  return std::make_unique<Ns3StreamSocket>(*this, std::move(node.mapped()));
}

std::unique_ptr<Listener> Ns3Sockets::adopt_listener(FlowId id) {
  auto node = kept_listeners_.extract(id);
  if (node.empty()) return nullptr;
  return std::make_unique<Ns3Listener>(*this, node.mapped());
}

std::unique_ptr<DatagramSocket> Ns3Sockets::adopt_datagram(FlowId id) {
  auto node = kept_datagrams_.extract(id);
  if (node.empty()) return nullptr;
  return std::make_unique<Ns3DatagramSocket>(*this, std::move(node.mapped()));
}

std::unique_ptr<EchoSocket> Ns3Sockets::adopt_echo(FlowId id) {
  auto node = kept_echoes_.extract(id);
  if (node.empty()) return nullptr;
  return std::make_unique<Ns3EchoSocket>(*this, std::move(node.mapped()));
}

}  // namespace dashi
