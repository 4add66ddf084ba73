#include <algorithm>
#include <utility>

#include "sim/ns3/convert.hh"
#include "sim/ns3/world_parts.hh"

namespace dashi {

namespace {

constexpr uint16_t kFirstServerPort = 10'000;  // each task's server has a port of its own
constexpr uint16_t kRefusingPort = 9;
constexpr uint16_t kEchoPort = 7;
constexpr uint16_t kDnsPort = 53;
constexpr Duration kLastAnswer = 5s;  // how long the last probes are waited for
constexpr uint32_t kTimestamps = 12;  // bytes of options in every segment

const char* text_of(SocketError error) {
  switch (error) {
    case SocketError::kRefused:
      return "connection refused";
    case SocketError::kReset:
      return "connection reset";
    case SocketError::kTimedOut:
      return "timed out";
    case SocketError::kHostUnreachable:
      return "host unreachable";
    case SocketError::kNetworkUnreachable:
      return "network unreachable";
    case SocketError::kTtlExceeded:
      return "TTL exceeded";
    case SocketError::kAccessDenied:
      return "administratively prohibited";
    default:
      return "failed";
  }
}

}  // namespace

Ns3World::TaskId Ns3World::Impl::add(Ns3TaskKind kind) {
  const auto id = static_cast<TaskId>(tasks.size());
  DASHI_CHECK(id < 50'000);
  tasks.push_back(std::make_unique<Ns3Task>());
  tasks.back()->result.kind = kind;
  tasks.back()->result.started = queue.now();
  ++tasks_open;
  return id;
}

void Ns3World::Impl::digest_result(TaskId id, const Ns3Task& task) {
  if (!config.digests) return;
  const Ns3TaskResult& result = task.result;
  digest.record(queue.now(), DigestKind::kApplication, id,
                result.up_bytes << 32 ^ result.down_bytes ^
                    static_cast<uint64_t>(result.answered) << 16 ^ static_cast<uint64_t>(result.ok),
                {});
}

void Ns3World::Impl::finish(Ns3Task& task, const std::string& error) {
  if (task.result.done) return;
  task.result.done = true;
  if (task.prober !=
      nullptr) {  // what was sent and never answered changed nothing that was looked at
    task.result.round_trips = task.prober->record().round_trips;
    task.result.sent = task.prober->record().sent;
  }
  task.result.ok = error.empty();
  task.result.error = error;
  --tasks_open;
  for (TaskId id = 0; id < tasks.size(); ++id) {
    if (tasks[id].get() == &task) digest_result(id, task);
  }
  if (tasks_open == 0) queue.stop();
}

void Ns3World::Impl::changed(TaskId id) {
  Ns3Task& task = *tasks[id];
  if (task.result.kind == Ns3TaskKind::kTransfer) {
    update_transfer(task);
  } else if (task.result.kind == Ns3TaskKind::kResolve) {
    update_query(task);
  } else {
    update_probes(task);
  }
}

// --- TCP ---

void Ns3World::Impl::start_transfer(Ns3Task& task, TaskId id) {
  const Ns3Transfer& transfer = task.transfer;
  const uint64_t up_pattern = config.seed * 2 + uint64_t{id} * 1000;
  StreamRole server;
  server.send_bytes = transfer.down_bytes;
  server.send_pattern = up_pattern + 1;
  server.expect_bytes = transfer.up_bytes;
  server.expect_pattern = up_pattern;
  server.send_after_eof = transfer.answer_after_eof;
  server.finish_after_send = transfer.down_bytes > 0 || transfer.server_finishes;
  server.abort_after = transfer.server_aborts_after;
  server.read_late = transfer.server_reads_late;
  StreamRole client;
  client.send_bytes = transfer.up_bytes;
  client.send_pattern = up_pattern;
  client.expect_bytes = transfer.down_bytes;
  client.expect_pattern = up_pattern + 1;
  client.send_after_eof = transfer.ask_after_eof;
  client.finish_after_send =
      transfer.up_bytes > 0 || transfer.down_bytes == 0 || transfer.client_finishes;
  client.abort_after = transfer.client_aborts_after;
  client.read_late = transfer.client_reads_late;

  const bool v4 = transfer.family == Family::kIpv4;
  const IpAddress any = v4 ? IpAddress(Ipv4Address{}) : IpAddress(Ipv6Address{});
  const Port port{static_cast<uint16_t>(kFirstServerPort + id)};
  HostTcpOptions remote_options = tcp_options(transfer.family);
  HostTcpOptions guest_options = remote_options;
  if (!config.direct) {
    guest_options.tcp.segment_size = config.nat.topology.mtu - (v4 ? 40 : 60) - kTimestamps;
    guest_options.tcp.announce_mss = config.guest_announces_mss;
  }
  const auto server_node = transfer.inbound ? client_node() : topology.remote();
  const auto from_node = transfer.inbound ? topology.remote() : client_node();
  Endpoint to{Ns3Topology::remote_address(transfer.family), port};
  if (transfer.inbound) to.address = Ns3Topology::host_address(transfer.family);
  if (transfer.refused && !transfer.inbound) to.port = Port{kRefusingPort};
  if (transfer.unreachable) to.address = Ns3Topology::unreachable(transfer.family);
  const auto on_change = [this, id] { changed(id); };
  task.server = std::make_unique<StreamServer>(queue, server_node,
                                               transfer.inbound ? guest_options : remote_options,
                                               Endpoint{any, port}, server, on_change);
  if (!task.server->listening()) {
    finish(task, "the server's port is taken");
    return;
  }
  if (transfer.inbound && nat != nullptr) {
    Forward forward;
    forward.protocol = ForwardProtocol::kTcp;
    forward.host = to;
    forward.guest_port = transfer.refused ? Port{kRefusingPort} : port;
    const auto added = nat->add_forward(queue.now(), forward);
    if (!added.ok()) {
      finish(task, std::string("the Nat cannot forward: ") + text_of(added.error()));
      return;
    }
    driver->wake();
  }
  const auto socket =
      Ns3TcpSocket::create(from_node, transfer.inbound ? remote_options.tcp : guest_options.tcp);
  if (socket->Connect(to_ns3(to)) != 0) {
    socket->abort();
    task.result.client_failure = SocketError::kNetworkUnreachable;
    finish(task, "no route to the server");
    return;
  }
  task.client = std::make_unique<StreamEnd>(queue, socket, client, on_change);
}

void Ns3World::Impl::update_transfer(Ns3Task& task) {
  if (task.client == nullptr) return;
  Ns3TaskResult& result = task.result;
  const StreamRecord& client = task.client->record();
  const StreamEnd* server_end = task.server->end();
  const StreamRecord server = server_end != nullptr ? server_end->record() : StreamRecord{};
  result.connected = client.connected_at;
  result.client_failure = client.failure;
  result.server_failure = server.failure;
  result.client_eof = client.eof;
  result.server_eof = server.eof;
  result.up_bytes = server.received;
  result.down_bytes = client.received;
  result.up_right = !server.wrong_at;
  result.down_right = !client.wrong_at;
  result.accepted = server_end != nullptr;
  result.first_byte = std::min(client.first_byte_at, server.first_byte_at);
  if (result.done) return;  // how the other end heard of a failure is still written down
  if (client.wrong_at || server.wrong_at) {
    finish(task, "byte " + std::to_string(client.wrong_at ? *client.wrong_at : *server.wrong_at) +
                     (client.wrong_at ? " down" : " up") + " is not the one that was sent");
    return;
  }
  if (client.failure) {
    finish(task, std::string("client: ") + text_of(*client.failure));
    return;
  }
  if (server.failure) {
    finish(task, std::string("server: ") + text_of(*server.failure));
    return;
  }
  if (!task.client->satisfied() || server_end == nullptr || !server_end->satisfied()) return;
  // A receiver is done at the FIN behind its bytes; one that received none does not count.
  result.finished = task.transfer.down_bytes > 0 ? client.eof_at : server.eof_at;
  if (task.transfer.up_bytes > 0) result.finished = std::max(result.finished, server.eof_at);
  finish(task, "");
}

// --- Probes ---

void Ns3World::Impl::start_probes(TaskId id, const Ns3Probes& probes, const Endpoint& remote,
                                  EchoHub* hub) {
  Ns3Task& task = *tasks[id];
  if (probes.count < 1 || probes.count > 65'535 || probes.payload_bytes < 8 ||
      probes.payload_bytes > 65'000 || probes.interval < 0ns) {
    finish(task, "probes: count is 1 to 65,535, payload 8 to 65,000 bytes, interval not negative");
    return;
  }
  ProbeSpec spec;
  spec.remote = remote;
  spec.count = probes.count;
  spec.payload_bytes = probes.payload_bytes;
  spec.interval = probes.interval;
  spec.ttl = probes.ttl;
  task.prober =
      std::make_unique<Prober>(queue, client_node(), hub, spec, [this, id] { changed(id); });
  const Duration last = probes.interval * (probes.count - 1) + kLastAnswer;
  queue.schedule_after(last, [this, id] {
    const ProbeRecord& record = tasks[id]->prober->record();
    finish(*tasks[id], std::to_string(record.sent - record.answered) + " of " +
                           std::to_string(record.sent) + " were not answered");
  });
}

void Ns3World::Impl::update_probes(Ns3Task& task) {
  if (task.prober == nullptr || task.result.done) return;
  const ProbeRecord& record = task.prober->record();
  Ns3TaskResult& result = task.result;
  result.sent = record.sent;
  result.answered = record.answered;
  result.net_error = record.error;
  result.finished = queue.now();
  if (record.wrong > 0) {
    finish(task, "an answer was not what was sent");
  } else if (task.prober->satisfied()) {
    finish(task, "");
  }
}

// --- Names ---

void Ns3World::Impl::start_query(TaskId id, const std::string& name, Family family) {
  Ns3Task& task = *tasks[id];
  if (config.direct) {
    finish(task, "there is no gateway");
    return;
  }
  const DhcpRecord& lease = guest->lease();
  const Endpoint server{lease.dns.empty() ? lease.gateway() : lease.dns[0], Port{kDnsPort}};
  const uint16_t type = family == Family::kIpv4 ? 1 : 28;
  task.query =
      std::make_unique<NameQuery>(queue, client_node(), server, static_cast<uint16_t>(id + 1), name,
                                  type, [this, id] { changed(id); });
}

void Ns3World::Impl::update_query(Ns3Task& task) {
  if (task.query == nullptr || task.result.done) return;
  const auto& answer = task.query->answer();
  if (!answer.has_value()) {
    if (task.query->given_up()) finish(task, "no answer");
    return;
  }
  task.result.addresses = answer->addresses;
  task.result.finished = queue.now();
  if (answer->rcode == 3) {
    finish(task, "no such name");
  } else if (answer->rcode == 2) {
    finish(task, "the server failed");
  } else if (answer->rcode != 0) {
    finish(task, "DNS error " + std::to_string(answer->rcode));
  } else {
    finish(task, answer->addresses.empty() ? "the name has no address of this family" : "");
  }
}

// --- Verbs ---

Ns3World::TaskId Ns3World::transfer(const Ns3Transfer& transfer) {
  const TaskId id = impl_->add(Ns3TaskKind::kTransfer);
  Ns3Task& task = *impl_->tasks[id];
  task.transfer = transfer;
  impl_->start_transfer(task, id);
  return id;
}

Ns3World::TaskId Ns3World::download(Family family, uint64_t bytes) {
  Ns3Transfer transfer;
  transfer.family = family;
  transfer.down_bytes = bytes;
  return this->transfer(transfer);
}

Ns3World::TaskId Ns3World::upload(Family family, uint64_t bytes) {
  Ns3Transfer transfer;
  transfer.family = family;
  transfer.up_bytes = bytes;
  return this->transfer(transfer);
}

Ns3World::TaskId Ns3World::ping(const Ns3Probes& probes) {
  const TaskId id = impl_->add(Ns3TaskKind::kPing);
  IpAddress target = Ns3Topology::remote_address(probes.family);
  if (probes.to_gateway && !impl_->config.direct) {
    const Topology& topology = impl_->config.nat.topology;
    target = probes.family == Family::kIpv4 ? IpAddress(topology.gateway_v4)
                                            : IpAddress(topology.gateway_v6());
  }
  impl_->start_probes(id, probes, {target, Port{0}}, &impl_->client_hub(probes.family));
  return id;
}

Ns3World::TaskId Ns3World::udp_echo(const Ns3Probes& probes) {
  const TaskId id = impl_->add(Ns3TaskKind::kUdpEcho);
  impl_->start_probes(id, probes, {Ns3Topology::remote_address(probes.family), Port{kEchoPort}},
                      nullptr);
  return id;
}

Ns3World::TaskId Ns3World::resolve(const std::string& name, Family family) {
  const TaskId id = impl_->add(Ns3TaskKind::kResolve);
  impl_->start_query(id, name, family);
  return id;
}

}  // namespace dashi
