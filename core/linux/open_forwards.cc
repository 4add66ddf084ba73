#include "core/linux/open_forwards.hh"

#include <algorithm>

#include "core/linux/sockaddr.hh"

namespace dashi {
namespace {

constexpr int kTries = 8;  // ports the host chose for one address that another address had in use

const char* name_of(ForwardProtocol protocol) {
  return protocol == ForwardProtocol::kTcp ? "tcp" : "udp";
}

class Opener {
 public:
  Opener(Instant now, Nat& nat, const Limits& limits) : now_(now), nat_(nat), limits_(limits) {}

  Result<Endpoint, SocketError> open(const PlannedForward& planned, Port port) {
    Forward forward = planned.forward;
    forward.host.port = port;
    auto made = nat_.add_forward(now_, forward);
    if (!made.ok()) return made;
    const bool chosen = planned.forward.host.port.number == 0;
    out_.push_back({forward.protocol, *made, forward.guest_port, chosen});
    return made;
  }

  // One port for both addresses. The host chooses for the first and knows nothing of the second, so
  // another may have it there; a port in vain is kept until the end, so that it is not chosen again.
  Result<Done, SystemError> open_pair(const PlannedForward& first, const PlannedForward& second) {
    std::vector<OpenedForward> in_vain;
    Result<Done, SystemError> result = Done{};
    for (int tries = 1; tries <= kTries; ++tries) {
      const auto made = open(first, first.forward.host.port);
      if (!made.ok()) {
        result = failure(first, first.forward.host.port, made.error());
        break;
      }
      const auto also = open(second, made->port);
      if (also.ok() || may_lack(second, also.error())) break;
      if (also.error() != SocketError::kAddressInUse || tries == kTries) {
        result = failure(second, made->port, also.error());
        break;
      }
      in_vain.push_back(out_.back());
      out_.pop_back();
    }
    for (const OpenedForward& each : in_vain) {
      [[maybe_unused]] const auto removed = nat_.remove_forward(now_, each.protocol, each.host);
    }
    return result;
  }

  static bool may_lack(const PlannedForward& planned, SocketError error) {
    return planned.optional && (error == SocketError::kAddressNotAvailable ||
                                error == SocketError::kNetworkUnreachable);
  }

  SystemError failure(const PlannedForward& planned, Port port, SocketError error) const {
    const ForwardProtocol protocol = planned.forward.protocol;
    const std::string name = name_of(protocol);
    const uint32_t bound =
        protocol == ForwardProtocol::kTcp ? limits_.tcp_forwards : limits_.udp_forwards;
    const auto count = static_cast<uint32_t>(std::count_if(
        out_.begin(), out_.end(), [&](const auto& each) { return each.protocol == protocol; }));
    std::string why = message_of(error);
    if (error == SocketError::kTooManySockets && count >= bound) {
      why = "more than " + std::to_string(bound) + " sockets to forward " + name +
            " (a port without an address takes two)";
    }
    const Endpoint host{planned.forward.host.address, port};
    return {"cannot forward " + name + ":" + to_string(host) + ": " + why, 0};
  }

  std::vector<OpenedForward>& opened() { return out_; }

 private:
  Instant now_;
  Nat& nat_;
  const Limits& limits_;
  std::vector<OpenedForward> out_;
};

}  // namespace

Result<std::vector<OpenedForward>, SystemError> open_forwards(
    Instant now, Nat& nat, const Limits& limits, const std::vector<PlannedForward>& plan) {
  Opener opener(now, nat, limits);
  for (size_t i = 0; i < plan.size(); ++i) {
    const PlannedForward& planned = plan[i];
    if (i + 1 < plan.size() && plan[i + 1].same_port_as_last) {
      const auto made = opener.open_pair(planned, plan[++i]);
      if (!made.ok()) return made.error();
      continue;
    }
    const Port port = planned.forward.host.port;
    const auto made = opener.open(planned, port);
    if (!made.ok() && !Opener::may_lack(planned, made.error())) {
      return opener.failure(planned, port, made.error());
    }
  }
  return std::move(opener.opened());
}

}  // namespace dashi
