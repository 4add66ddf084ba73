// The Linux sockets under the conformance suite, with plain Linux sockets as the remote host, over
// loopback in a private namespace.
#pragma once

#include <memory>
#include <vector>

#include "core/linux/sockets.hh"
#include "tests/sim/sockets_under_test.hh"

namespace dashi::conformance {

class LinuxPeerStream;

class LinuxFixture final : public SocketsUnderTest {
 public:
  explicit LinuxFixture(bool force_ring);
  ~LinuxFixture() override;

  Sockets& sockets() override { return *sockets_; }
  void step(std::vector<SocketEvent>& events) override;
  int patience() override { return 3000; }

  IpAddress here(Family family) override;
  std::unique_ptr<PeerListener> peer_listen(Family family) override;
  std::unique_ptr<PeerStream> peer_connect(const Endpoint& to) override;
  std::unique_ptr<PeerDatagram> peer_datagram(Family family) override;

  Endpoint refusing(Family family) override;
  Endpoint unreachable(Family family) override;
  Endpoint silent(Family family) override;
  IpAddress echoing(Family family) override { return here(family); }

  const char* unsupported(std::string_view case_name, Family family) override;

 private:
  std::unique_ptr<LinuxSockets> sockets_;
  std::vector<LinuxPeerStream*> peers_;  // those that are alive
};

// Once a process, before the first fixture: the namespace, and its addresses that lead nowhere.
void make_conformance_network();

}  // namespace dashi::conformance
