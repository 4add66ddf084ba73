// The one loop: waits for input or the Nat's deadline, reads the clock once, hands over what came, runs
// timers, flushes. Owns nothing but its signal descriptor; what it drives outlives it.
#pragma once

#include <array>
#include <string>
#include <variant>

#include "core/linux/command.hh"
#include "core/linux/host_routes.hh"
#include "core/linux/namespace_watch.hh"
#include "core/linux/resolv_conf.hh"
#include "core/linux/sockets.hh"
#include "core/linux/stream_link.hh"
#include "core/linux/tap.hh"
#include "core/nat/nat.hh"
#include "pcap/write/capture.hh"

#include <poll.h>

namespace dashi {

// The driver's clock: CLOCK_MONOTONIC.
Instant clock_now();

// Blocks the signals the loop answers to, and gives them as a descriptor; ignores SIGPIPE. After the command's fork:
// a child inherits what is blocked.
Fd open_signals();

class Driver {
 public:
  struct Parts {
    Nat& nat;
    LinuxSockets& sockets;
    std::variant<Tap*, StreamLink*> link;
    Capture* capture = nullptr;                // --pcap
    Command* command = nullptr;                // run: ends with it
    NamespaceWatch* guest = nullptr;           // attach: ends with it
    const std::string* resolv_conf = nullptr;  // path to follow; null under --dns
    std::vector<Endpoint> resolvers = {};      // what resolv.conf named at the start
    int signals = -1;                          // from open_signals
    Duration linger = {};                      // TcpConfig's
  };

  explicit Driver(const Parts& parts);

  // Until a signal, the end of the command, of what was attached to, or of the interface. The status to exit with.
  int run();

 private:
  enum Input : size_t {
    kSockets,
    kLink,
    kSignals,
    kResolvConf,
    kRoutes,
    kCommand,
    kGuest,
    kInputs
  };

  void wait();
  void turn();
  void handle_link(Instant now);
  void handle_host(Instant now);  // signals, resolv.conf, routes, what we end with
  void handle_signals();
  void handle_command_end();
  void judge_last_call(Instant now);
  bool ready(Input input) const { return polled_[input].revents != 0; }
  void say_status(Instant now) const;

  Parts parts_;
  ResolvConfWatch resolv_conf_watch_;
  std::vector<Endpoint> resolvers_;  // as last told to the Nat
  RouteWatch route_watch_;
  std::array<pollfd, kInputs> polled_{};
  bool stopping_ = false;
  int status_ = 0;
  bool host_ipv6_;           // as last told to the Nat
  bool link_gone_ = false;   // the interface was deleted
  bool link_room_ = false;   // the link has room again: tell the Nat this turn
  bool link_quiet_ = false;  // the guest sent nothing this turn
  bool echo_denied_said_ = false;
  std::optional<Instant> last_call_;  // the command ended: until then its connections may finish
  Instant last_progress_;             // since then no host took a byte
  uint64_t bytes_up_ = 0;             // at last_progress_
};

}  // namespace dashi
