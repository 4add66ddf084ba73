// A DHCPv4 client's conversation (RFC 2131), for every simulated guest, whatever carries its messages:
// Discover, Request, what the Ack said, and patience. Written for itself, not with core/wire: a reading
// that client and server shared would hide its own mistakes. It sends and receives through its owner,
// which also sets what was leased; it neither renews nor releases.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "core/base/bytes.hh"
#include "core/wire/address.hh"
#include "sim/event_queue.hh"

namespace dashi {

struct DhcpRecord {
  bool offered = false;
  bool bound = false;
  bool refused = false;  // a NAK came
  Ipv4Address address;
  Ipv4Address server;
  uint8_t prefix_length = 0;
  std::optional<Ipv4Address> router;
  std::vector<Ipv4Address> dns;
  uint32_t lease_seconds = 0;
  uint16_t mtu = 0;
  Instant began;
  Instant bound_at = kNever;

  // Through whom what is not on the link goes: a server that names no router routes itself.
  Ipv4Address gateway() const { return router.value_or(server); }
};

class DhcpClient {
 public:
  static constexpr uint16_t kServerPort = 67;
  static constexpr uint16_t kClientPort = 68;
  static constexpr Duration kRetry = 4s;  // RFC 2131 4.1, without its back-off
  static constexpr int kQuickTries = 5;

  struct Options {
    MacAddress mac;
    // RFC 2131 4.1: of a stack that takes no unicast before it has an address.
    bool replies_by_broadcast = false;
  };
  // Sends a message from 0.0.0.0:68 to 255.255.255.255:67.
  using Send = std::function<void(Bytes message)>;

  // `bound` is called once, when the Ack came; both are called within start, receive and events.
  DhcpClient(EventQueue& queue, const Options& options, Send send, std::function<void()> bound);
  ~DhcpClient();
  DhcpClient(const DhcpClient&) = delete;
  DhcpClient& operator=(const DhcpClient&) = delete;

  void start(uint32_t transaction);
  // False if the message is malformed.
  bool receive(Bytes message);
  const DhcpRecord& record() const { return record_; }

 private:
  void say(uint8_t type);
  void wait();

  EventQueue& queue_;
  Options options_;
  Send send_;
  std::function<void()> bound_;
  uint32_t transaction_ = 0;
  int tries_ = 0;
  EventId again_;  // pending iff started, not bound and not given up
  DhcpRecord record_;
};

}  // namespace dashi
