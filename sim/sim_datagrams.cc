// The half of SimNet that carries datagrams and echo messages.
#include "sim/sim_apps.hh"
#include "sim/sim_net.hh"
#include "sim/sim_sockets.hh"

namespace dashi {

namespace {

constexpr uint8_t kDefaultTtl = 64;

size_t packet_bytes(const SimDatagram& datagram) {
  return datagram.payload.size() + (datagram.to.address.is_v4() ? 28 : 48);
}

}  // namespace

SimDatagram SimNet::fresh_datagram() {
  SimDatagram datagram;
  if (!spare_buffers_.empty()) {
    datagram.payload = std::move(spare_buffers_.back());
    spare_buffers_.pop_back();
    datagram.payload.clear();
  }
  return datagram;
}

void SimNet::recycle(SimDatagram& datagram) {
  if (datagram.payload.capacity() != 0) spare_buffers_.push_back(std::move(datagram.payload));
  datagram.payload = {};
}

void SimNet::launch(uint32_t host_index, Side from, SimDatagram&& datagram, Duration after) {
  FrameFate fate;
  const Instant arrives = transit(host_index, from, packet_bytes(datagram) + 14, fate) + after;
  if (fate.lost || fate.damages()) {  // a damaged datagram fails its checksum
    recycle(datagram);
    return;
  }
  if (fate.duplicated) {
    SimDatagram copy = datagram;
    schedule_arrival(host_index, from, std::move(copy), arrives);
  }
  schedule_arrival(host_index, from, std::move(datagram), arrives);
}

void SimNet::schedule_arrival(uint32_t host_index, Side from, SimDatagram&& datagram,
                              Instant arrives) {
  const uint32_t slot = datagrams_.emplace(std::move(datagram));
  if (slot == SlotMap<SimDatagram>::kNone) return;  // a queue of the net is full
  queue_.schedule(arrives,
                  [this, slot, from, host_index] { datagram_arrives(slot, from, host_index); });
}

void SimNet::datagram_error(SimDatagram&& datagram, const NetError& error, Duration after) {
  datagram.kind = SimDatagram::Kind::kError;
  datagram.error = error;
  datagram.error.echo_sequence = datagram.sequence;
  const uint32_t slot = datagrams_.emplace(std::move(datagram));
  if (slot == SlotMap<SimDatagram>::kNone) return;
  queue_.schedule_after(after, [this, slot] { datagram_arrives(slot, Side::kThere, kHereHost); });
}

void SimNet::send_from_here(SimDatagram&& datagram) {
  const uint32_t host_index = host_of(datagram.to.address);
  if (host_index == kNoHost) {
    if (spec_.unknown_is_silent) {
      recycle(datagram);
      return;
    }
    const NetError error =
        router_error(SocketError::kNetworkUnreachable, 3, 0, 1, 0, 1, datagram.to);
    datagram_error(std::move(datagram), error, 1ms);
    return;
  }
  const PathSpec& via = path(host_index).spec;
  if (datagram.ttl == 0) datagram.ttl = kDefaultTtl;
  if (datagram.ttl <= via.hops) {
    const NetError error =
        router_error(SocketError::kTtlExceeded, 11, 0, 3, 0, datagram.ttl, datagram.to);
    const Duration after = 2 * via.delay * datagram.ttl / (via.hops + 1);
    datagram_error(std::move(datagram), error, after);
    return;
  }
  if (datagram.dont_fragment && packet_bytes(datagram) > via.mtu) {
    NetError error = router_error(SocketError::kMessageTooLong, 3, 4, 2, 0, 1, datagram.to);
    error.mtu = via.mtu;
    datagram_error(std::move(datagram), error, 2 * via.delay / (via.hops + 1));
    return;
  }
  datagram.ttl = static_cast<uint8_t>(datagram.ttl - via.hops);
  launch(host_index, Side::kHere, std::move(datagram), Duration{});
}

void SimNet::send_to_here(uint32_t from_host, SimDatagram&& datagram, Duration after) {
  datagram.ttl = static_cast<uint8_t>(kDefaultTtl - path(from_host).spec.hops);
  launch(from_host, Side::kThere, std::move(datagram), after);
}

void SimNet::datagram_arrives(uint32_t slot, Side from, uint32_t host_index) {
  SimDatagram datagram = std::move(datagrams_[slot]);
  datagrams_.erase(slot);
  if (from == Side::kHere) {
    datagram_at_host(host_index, datagram);
  } else if (datagram.kind == SimDatagram::Kind::kError) {
    sockets_->on_net_error(datagram);
  } else {
    sockets_->on_datagram(datagram);
  }
  recycle(datagram);
}

void SimNet::datagram_at_host(uint32_t host_index, SimDatagram& datagram) {
  const HostSpec& at = host(host_index);
  if (at.silent) return;
  if (datagram.kind == SimDatagram::Kind::kEchoRequest) {
    if (!at.answers_echo) return;
    SimDatagram reply = fresh_datagram();
    reply.kind = SimDatagram::Kind::kEchoReply;
    reply.from = datagram.to;
    reply.to = datagram.from;
    reply.socket = datagram.socket;
    reply.socket_generation = datagram.socket_generation;
    reply.sequence = datagram.sequence;
    reply.tos = datagram.tos;
    reply.payload = datagram.payload;
    send_to_here(host_index, std::move(reply), Duration{});
    return;
  }
  // A socket of here may be another's peer: over loopback.
  if (host_index == kHereHost && sockets_->has_datagram_socket(datagram.to)) {
    sockets_->on_datagram(datagram);
    return;
  }
  if (apps_->on_datagram(host_index, datagram)) return;
  const ServiceSpec* served = service(host_index, Transport::kUdp, datagram.to.port);
  if (served != nullptr && served->app.kind == AppKind::kBlackhole) return;
  NetError error;
  error.error = SocketError::kRefused;
  error.icmp_type = datagram.to.address.is_v4() ? 3 : 1;
  error.icmp_code = datagram.to.address.is_v4() ? 3 : 4;
  error.reporter = datagram.to.address;
  error.original_remote = datagram.to;
  if (served != nullptr && served->app.kind == AppKind::kUnreachable) {
    error = failure_of(served->app.failure, host_index, datagram.to);
  }
  datagram_error(std::move(datagram), error, path(host_index).spec.delay);
}

}  // namespace dashi
