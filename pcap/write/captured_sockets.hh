// A Sockets that draws what crosses the host seam: one synthetic packet a call, marked as such in its
// comment. connect is a SYN, its success a SYN-ACK, write and the first peek of a byte are data with
// stream offsets as sequence numbers, then FIN and RST; datagrams and echoes are themselves; errors
// are the ICMP message the host's network sent, or would have.
//
// It decorates another Sockets, which does the work. The sockets it gives out refer to it: it outlives
// the Nat. What repeats an earlier call (a second peek, consume) draws nothing.
#pragma once

#include <map>

#include "core/env/sockets.hh"
#include "pcap/write/drawn_packet.hh"
#include "pcap/write/recorder.hh"

namespace dashi {

// What is drawn of one flow. Plain data, kept by CapturedSockets and written to by the flow's socket.
struct SeamFlow {
  FlowId id;
  Endpoint local;   // fixed when first drawn, so that a flow stays one conversation
  Endpoint remote;  // streams only
  uint8_t ttl = 64;
  uint8_t tos = 0;
  bool connected = false;
  bool ended = false;  // RST drawn, or a terminal error seen: nothing more is drawn
  bool local_fin = false;
  bool remote_fin = false;
  uint64_t written = 0;   // bytes the host took: the stream offset of the next write
  uint64_t peeked = 0;    // bytes ever peeked: the offset of the next new byte
  uint64_t consumed = 0;  // bytes consumed: the offset that peek counts from
};

class CapturedSockets : public Sockets {
 public:
  CapturedSockets(Sockets& inner, Recorder& recorder, uint32_t interface)
      : inner_(inner), recorder_(recorder), interface_(interface) {}

  void from_host(std::span<const SocketEvent> events);

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

  // --- For the sockets it gave out ---
  SeamFlow& open(FlowId id);
  void close(FlowId id) { flows_.erase(id); }
  // Adds a drawn packet, its comment "synthetic: FLOW: WHAT".
  void draw(const SeamFlow& flow, bool outbound, const DrawnFrame& frame, std::string_view what);
  void draw_segment(const SeamFlow& flow, bool outbound, uint8_t flags, uint64_t offset,
                    std::span<const Bytes> payload, std::string_view what);
  // A terminal error of a stream: RST, or the ICMP error. Draws once.
  void draw_end(SeamFlow& flow, const NetError& error);

 private:
  void draw_datagram_error(const SeamFlow& flow, const NetError& error);

  Sockets& inner_;
  Recorder& recorder_;
  uint32_t interface_;
  std::map<FlowId, SeamFlow> flows_;  // one a live socket, listeners aside
};

// The path of a flow's packets. `address`: the local one where the call names it.
DrawnPath seam_path(const SeamFlow& flow, const Endpoint& local, const Endpoint& remote,
                    bool outbound);

}  // namespace dashi
