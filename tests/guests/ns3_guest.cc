#include "sim/ns3/ns3_world.hh"
#include "tests/guests/guest_run.hh"

namespace dashi::guests {
namespace {

constexpr Duration kSettle = 10min;  // longer than any timer

Ns3WorldConfig config_of(Chance loss) {
  Ns3WorldConfig config;
  config.internet.wan.rate_bps = 1'000'000'000;
  config.internet.wan.delay = 5ms;
  config.guest_link.up.delay = config.guest_link.down.delay = 5ms;
  config.guest_link.up.faults.loss = config.guest_link.down.faults.loss = loss;
  config.tcp_buffer_bytes = 256u << 10;
  return config;
}

// Who calls is the client, who is called the server.
Ns3Transfer transfer_of(const Plan& plan) {
  const EndPlan& client = plan.guest_calls ? plan.guest : plan.server;
  const EndPlan& server = plan.guest_calls ? plan.server : plan.guest;
  Ns3Transfer transfer;
  transfer.family = plan.family;
  transfer.inbound = !plan.guest_calls;
  transfer.refused = plan.refused;
  transfer.up_bytes = client.sends;
  transfer.down_bytes = server.sends;
  transfer.answer_after_eof = server.answers;
  transfer.ask_after_eof = client.answers;
  transfer.client_finishes = client.finishes;
  transfer.server_finishes = server.finishes;
  transfer.client_aborts_after = client.aborts_at;
  transfer.server_aborts_after = server.aborts_at;
  if (client.late) transfer.client_reads_late = kLate;
  if (server.late) transfer.server_reads_late = kLate;
  return transfer;
}

EndSeen seen_of(const EndPlan& plan, uint64_t received, bool right, bool eof,
                const std::optional<SocketError>& failure, bool had) {
  EndSeen seen{received, right, "open"};
  if (!had) {
    seen.end = "none";
  } else if (failure == SocketError::kRefused) {
    seen.end = "refused";
  } else if (failure == SocketError::kReset) {
    const bool by_itself = plan.aborts_at != 0 && received >= plan.aborts_at;
    seen.end = by_itself ? "aborted" : "reset";
  } else if (failure) {
    seen.end = "failed";
  } else if (eof) {
    seen.end = "eof";
  }
  return seen;
}

}  // namespace

Seen run_ns3(const Plan& plan, Chance loss) {
  auto made = Ns3World::create(config_of(loss));
  DASHI_CHECK(made.ok());
  Ns3World& world = **made;
  // The Nat knows the guest's addresses.
  const auto ping = world.ping({.family = plan.family, .to_gateway = true});
  world.run(world.now() + 10s);
  Seen seen;
  if (!world.result(ping).done) seen.troubles.push_back("the guest's ping did not end");
  const auto task = world.transfer(transfer_of(plan));
  if (plan.guest.late || plan.server.late) {
    world.run_for(kLate * 9 / 10);
    seen.held = plan.guest.late ? world.counters()[Counter::kTcpBytesDown] < plan.server.sends
                                : world.counters()[Counter::kTcpBytesUp] < plan.guest.sends;
  }
  world.run(world.now() + kLimit);
  world.run_for(kSettle);
  for (std::string& violation : world.violations()) seen.troubles.push_back(std::move(violation));
  const FlowCounts counts = world.flow_counts();
  if (counts.tcp + counts.tcp_time_wait != 0) seen.troubles.push_back("TCP flows left");
  const Ns3TaskResult& result = world.result(task);
  EndSeen client = seen_of(plan.guest_calls ? plan.guest : plan.server, result.down_bytes,
                           result.down_right, result.client_eof, result.client_failure, true);
  EndSeen server =
      seen_of(plan.guest_calls ? plan.server : plan.guest, result.up_bytes, result.up_right,
              result.server_eof, result.server_failure, result.accepted);
  seen.guest = plan.guest_calls ? client : server;
  seen.server = plan.guest_calls ? server : client;
  return seen;
}

}  // namespace dashi::guests
