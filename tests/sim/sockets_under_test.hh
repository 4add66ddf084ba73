// What a backend of core/env/sockets.hh gives the conformance suite: the Sockets, and a remote host
// whose every move the suite decides. One object is one fresh world; the suite makes one a case.
//
// Time: step() lets a little time pass (a simulated backend some 50 virtual milliseconds, a real one
// waits for events for a few real ones) and adds what came. The suite waits by stepping, up to
// patience() times, so no case depends on how fast a backend is.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/env/sockets.hh"

namespace dashi::conformance {

// The remote end of one connection. It reads all that comes unless told to pause.
class PeerStream {
 public:
  virtual ~PeerStream() = default;              // as close()
  virtual bool connected() = 0;                 // the handshake is done
  virtual void write(Bytes bytes) = 0;          // all of it, queued by the peer if it must be
  virtual void write_urgent(uint8_t byte) = 0;  // MSG_OOB
  virtual void pause_reading(bool paused) = 0;
  virtual const std::vector<uint8_t>& received() = 0;  // so far
  virtual bool saw_eof() = 0;
  virtual bool saw_reset() = 0;
  virtual void shutdown_write() = 0;  // FIN after what was written
  virtual void close() = 0;           // gracefully
  virtual void abort() = 0;           // RST
  virtual Endpoint local() = 0;       // the peer's own address and port
};

class PeerListener {
 public:
  virtual ~PeerListener() = default;
  virtual Endpoint endpoint() = 0;
  virtual std::unique_ptr<PeerStream> accept() = 0;  // null: nobody is waiting
};

struct PeerReceived {
  Endpoint from;
  std::vector<uint8_t> bytes;
  uint8_t ttl = 0;  // 0 = the backend cannot tell
  uint8_t tos = 0;
};

class PeerDatagram {
 public:
  virtual ~PeerDatagram() = default;  // the port is closed from then on
  virtual Endpoint endpoint() = 0;
  virtual void send(const Endpoint& to, Bytes bytes) = 0;
  virtual const std::vector<PeerReceived>& received() = 0;  // so far
};

class SocketsUnderTest {
 public:
  virtual ~SocketsUnderTest() = default;

  virtual Sockets& sockets() = 0;
  // Lets a little time pass and appends the events that came. What `quoted` points to stays good
  // until the next step.
  virtual void step(std::vector<SocketEvent>& events) = 0;
  virtual int
  patience() = 0;  // steps before the suite gives up waiting; enough for connect to time out

  virtual IpAddress here(
      Family family) = 0;  // an address of the sockets' host that the peer reaches
  virtual std::unique_ptr<PeerListener> peer_listen(Family family) = 0;
  virtual std::unique_ptr<PeerStream> peer_connect(const Endpoint& to) = 0;
  virtual std::unique_ptr<PeerDatagram> peer_datagram(Family family) = 0;

  virtual Endpoint refusing(Family family) = 0;     // a port of the peer that nobody listens on
  virtual Endpoint unreachable(Family family) = 0;  // leads to host or network unreachable
  virtual Endpoint silent(Family family) = 0;       // never answers
  virtual IpAddress echoing(Family family) = 0;     // answers ICMP echo

  // Why this backend cannot express the case; null: it can. At most five over all cases, each listed
  // in tests/README.md.
  virtual const char* unsupported(std::string_view case_name, Family family) = 0;
};

}  // namespace dashi::conformance
