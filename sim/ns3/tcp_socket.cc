#include "sim/ns3/tcp_socket.hh"

#include <ns3/boolean.h>
#include <ns3/double.h>
#include <ns3/ipv4-end-point.h>
#include <ns3/ipv6-end-point.h>
#include <ns3/node.h>
#include <ns3/rtt-estimator.h>
#include <ns3/simulator.h>
#include <ns3/tcp-cubic.h>
#include <ns3/tcp-header.h>
#include <ns3/tcp-l4-protocol.h>
#include <ns3/tcp-linux-reno.h>
#include <ns3/tcp-option-rfc793.h>
#include <ns3/tcp-prr-recovery.h>
#include <ns3/tcp-rx-buffer.h>
#include <ns3/tcp-tx-buffer.h>

#include <algorithm>
#include <utility>

#include "sim/ns3/convert.hh"

namespace dashi {

namespace {

constexpr Duration kConnectTimeout = 1s;   // RFC 6298 2.1; ns-3 says 3 s
constexpr Duration kMinRto = 200ms;        // Linux's; ns-3 says 1 s
constexpr Duration kDelayedAck = 40ms;     // Linux's; ns-3 says 200 ms
constexpr Duration kFirstPersist = 500ms;  // ns-3 says 6 s
constexpr Duration kOrphan = 60s;          // Linux's tcp_fin_timeout
constexpr double kSegmentLifetime = 30;    // s: TIME-WAIT of 60 s as Linux has it; ns-3 says 120
constexpr uint32_t kSynRetries = 7;        // the first SYN and six more: 127 s
constexpr uint32_t kDataRetries = 15;
constexpr uint32_t kMostProbes = 15;

NetError net_error(SocketError error) {
  NetError whole;
  whole.error = error;
  return whole;
}

}  // namespace

NS_OBJECT_ENSURE_REGISTERED(Ns3TcpSocket);

ns3::TypeId Ns3TcpSocket::GetTypeId() {
  static ns3::TypeId type = ns3::TypeId("dashi::Ns3TcpSocket")
                                .SetParent<ns3::TcpSocketBase>()
                                .SetGroupName("Internet")
                                .AddConstructor<Ns3TcpSocket>();
  return type;
}

ns3::TypeId Ns3TcpSocket::GetInstanceTypeId() const { return GetTypeId(); }

Ns3TcpSocket::Ns3TcpSocket() { install(); }

Ns3TcpSocket::Ns3TcpSocket(const Ns3TcpSocket& other)
    : ns3::TcpSocketBase(other),
      first_persist_(other.first_persist_),
      announce_mss_(other.announce_mss_) {
  m_txTrace = {};  // the copy would still call the listener
  install();
}

Ns3TcpSocket::~Ns3TcpSocket() { orphan_event_.Cancel(); }

void Ns3TcpSocket::install() {
  SetConnectCallback(ns3::MakeCallback(&Ns3TcpSocket::connect_succeeded, this),
                     ns3::MakeCallback(&Ns3TcpSocket::connect_failed, this));
  SetCloseCallbacks(ns3::MakeNullCallback<void, ns3::Ptr<ns3::Socket>>(),
                    ns3::MakeCallback(&Ns3TcpSocket::closed_by_error, this));
  m_txBuffer->SetRWndCallback(ns3::MakeCallback(&Ns3TcpSocket::window_for_new_data, this));
  m_txTrace.ConnectWithoutContext(ns3::MakeCallback(&Ns3TcpSocket::before_send, this));
}

ns3::Ptr<Ns3TcpSocket> Ns3TcpSocket::create(const ns3::Ptr<ns3::Node>& node,
                                            const TcpSocketOptions& options) {
  auto socket = ns3::CreateObject<Ns3TcpSocket>();
  const auto tcp = node->GetObject<ns3::TcpL4Protocol>();
  DASHI_CHECK(tcp != nullptr);
  socket->SetNode(node);
  socket->SetTcp(tcp);
  socket->SetRtt(ns3::CreateObject<ns3::RttMeanDeviation>());
  if (options.congestion == TcpCongestion::kCubic) {
    socket->SetCongestionControlAlgorithm(ns3::CreateObject<ns3::TcpCubic>());
  } else {
    socket->SetCongestionControlAlgorithm(ns3::CreateObject<ns3::TcpLinuxReno>());
  }
  socket->SetRecoveryAlgorithm(ns3::CreateObject<ns3::TcpPrrRecovery>());
  socket->SetSegSize(options.segment_size);
  socket->SetSndBufSize(options.buffer_bytes);
  socket->SetRcvBufSize(options.buffer_bytes);
  socket->SetInitialCwnd(10);  // segments (RFC 6928)
  socket->SetTcpNoDelay(true);
  socket->SetConnTimeout(to_ns3(kConnectTimeout));
  socket->SetSynRetries(kSynRetries);
  socket->SetDataRetries(kDataRetries);
  socket->SetMinRto(to_ns3(kMinRto));
  socket->SetDelAckTimeout(to_ns3(kDelayedAck));
  socket->SetPersistTimeout(to_ns3(kFirstPersist));
  socket->SetAttribute("MaxSegLifetime", ns3::DoubleValue(kSegmentLifetime));
  socket->first_persist_ = to_ns3(kFirstPersist);
  socket->announce_mss_ = options.announce_mss;
  // Not in the constructor: the attribute system sets these to null after it.
  socket->m_icmpCallback = ns3::MakeCallback(&Ns3TcpSocket::icmp, ns3::PeekPointer(socket));
  socket->m_icmpCallback6 = ns3::MakeCallback(&Ns3TcpSocket::icmp6, ns3::PeekPointer(socket));
  tcp->AddSocket(socket);
  return socket;
}

ns3::Ptr<ns3::TcpSocketBase> Ns3TcpSocket::Fork() {
  return ns3::CopyObject<Ns3TcpSocket>(ns3::Ptr<Ns3TcpSocket>(this));
}

// --- What the user asks ---

bool Ns3TcpSocket::at_eof() const {
  return m_tcb->m_rxBuffer->Finished() && m_tcb->m_rxBuffer->Available() == 0;
}

HostTcpInfo Ns3TcpSocket::info() const {
  HostTcpInfo info;
  info.rtt_ns = static_cast<uint64_t>(m_rtt->GetEstimate().GetNanoSeconds());
  info.cwnd_bytes = m_tcb->m_cWnd.Get();
  const uint64_t held = m_txBuffer->Size();
  info.unacked_bytes =
      std::min<uint64_t>(held, static_cast<uint32_t>(highest_sent() - m_txBuffer->HeadSequence()));
  info.unsent_bytes = held - info.unacked_bytes;
  return info;
}

ns3::Ptr<ns3::Packet> Ns3TcpSocket::take(uint32_t max) {
  ns3::Ptr<ns3::Packet> packet = m_tcb->m_rxBuffer->Extract(std::min(max, GetRxAvailable()));
  update_window();
  return packet;
}

// ns-3 never tells the peer that a shut window opened: it would wait for its own probe.
void Ns3TcpSocket::update_window() {
  if (m_tcb->m_rxBuffer->GotFin() || !has_endpoint()) return;
  if (m_state != ESTABLISHED && m_state != FIN_WAIT_1 && m_state != FIN_WAIT_2) return;
  const auto two_segments = static_cast<int32_t>(2 * m_tcb->m_segmentSize);
  const ns3::SequenceNumber32 told = m_highTxAck + static_cast<int32_t>(m_advWnd.Get());
  const int32_t left = told - m_tcb->m_rxBuffer->NextRxSequence();
  const int32_t opened = m_tcb->m_rxBuffer->MaxRxSequence() - told;
  if (left < two_segments && opened >= two_segments) SendEmptyPacket(ns3::TcpHeader::ACK);
}

void Ns3TcpSocket::put(const ns3::Ptr<ns3::Packet>& packet) {
  DASHI_CHECK(packet->GetSize() <= GetTxAvailable());
  Send(packet, 0);
  restart_lost_timers();
}

void Ns3TcpSocket::finish() {
  if (fin_asked_) return;
  fin_asked_ = true;
  // Not ns-3's ShutdownSend or Close: the first forgets the FIN when all was sent and not all
  // acknowledged, the second sends RST over unread bytes, also when the peer's FIN calls it.
  m_closeOnEmpty = true;
  const ns3::Ptr<Ns3TcpSocket> alive(this);
  try_fin();
}

// Sends FIN by itself where no segment is left that could carry it.
void Ns3TcpSocket::try_fin() {
  if (!fin_asked_ || (m_state != ESTABLISHED && m_state != CLOSE_WAIT)) return;
  if (m_txBuffer->SizeFromSequence(highest_sent()) > 0) return;
  SendEmptyPacket(ns3::TcpHeader::FIN);
  m_state = m_state == ESTABLISHED ? FIN_WAIT_1 : LAST_ACK;
}

void Ns3TcpSocket::abort() {
  const ns3::Ptr<Ns3TcpSocket> alive(this);
  const bool has_peer =
      m_state != CLOSED && m_state != LISTEN && m_state != SYN_SENT && m_state != TIME_WAIT;
  if (has_peer) SendEmptyPacket(ns3::TcpHeader::RST);
  end();
}

void Ns3TcpSocket::detach() {
  const ns3::Ptr<Ns3TcpSocket> alive(this);
  changed_ = nullptr;
  orphan_ = true;
  if (m_state == LISTEN || m_state == SYN_SENT) {
    end();
  } else if (GetRxAvailable() > 0) {
    abort();  // as a host does: bytes nobody will read must not look delivered (RFC 2525 2.17)
  } else if (m_state != CLOSED) {
    finish();
    orphan_event_ = ns3::Simulator::Schedule(to_ns3(kOrphan), &Ns3TcpSocket::orphan_timeout, this);
  }
}

void Ns3TcpSocket::orphan_timeout() {
  if (m_state == FIN_WAIT_2) end();
}

// --- What arrives ---

void Ns3TcpSocket::DoForwardUp(ns3::Ptr<ns3::Packet> packet, const ns3::Address& from,
                               const ns3::Address& to) {
  const ns3::Ptr<Ns3TcpSocket> alive(this);
  ns3::TcpHeader header;
  packet->PeekHeader(header);
  probes_sent_ = 0;
  if ((header.GetFlags() & ns3::TcpHeader::RST) != 0) {
    // ns-3 takes RST|ACK for a bad flag and answers it, and one without timestamps for nothing.
    reset_by_peer(header);
  } else if (m_state == TIME_WAIT) {
    // ns-3 lets a FIN whose ACK was lost go unanswered (RFC 9293 3.10.7.4).
    if ((header.GetFlags() & ns3::TcpHeader::FIN) != 0) SendEmptyPacket(ns3::TcpHeader::ACK);
  } else if (m_state == CLOSED || m_state == LISTEN || m_state == SYN_SENT) {
    TcpSocketBase::DoForwardUp(packet, from, to);
  } else if ((header.GetFlags() & ns3::TcpHeader::SYN) != 0 && m_state != SYN_RCVD) {
    // ns-3 leaves a repeated SYN-ACK unanswered: who lost our ACK of it would never get another.
    SendEmptyPacket(ns3::TcpHeader::ACK);  // RFC 5961 4.2
  } else {
    forward_synchronized(packet, header, from, to);
  }
  settle();
  changed();
}

// ns-3 3.37 loses count when a FIN comes with data, ahead of a gap, or twice: it forgets the data's
// length, goes back from FIN-WAIT to CLOSE-WAIT, or stays silent. So it sees each segment without its
// FIN, and the FIN by itself once everything before it is there.
void Ns3TcpSocket::forward_synchronized(const ns3::Ptr<ns3::Packet>& packet,
                                        const ns3::TcpHeader& header, const ns3::Address& from,
                                        const ns3::Address& to) {
  const bool had_fin = m_tcb->m_rxBuffer->Finished();
  if ((header.GetFlags() & ns3::TcpHeader::FIN) == 0) {
    forward_ack(packet, header, from, to);
  } else {
    ns3::Ptr<ns3::Packet> bare = packet->Copy();
    ns3::TcpHeader without_fin;
    bare->RemoveHeader(without_fin);
    const uint32_t payload = bare->GetSize();
    if (had_fin) bare->RemoveAtEnd(payload);
    without_fin.SetFlags(static_cast<uint8_t>(without_fin.GetFlags() & ~ns3::TcpHeader::FIN));
    const bool news = bare->GetSize() > 0 || m_state == SYN_RCVD || awaits_last_ack() ||
                      header.GetAckNumber() > m_txBuffer->HeadSequence();
    if (!had_fin) held_fin_ = header.GetSequenceNumber() + static_cast<int32_t>(payload);
    bare->AddHeader(without_fin);
    if (news) forward_ack(bare, without_fin, from, to);
    const bool out_of_order =
        held_fin_ && payload == 0 && m_tcb->m_rxBuffer->NextRxSequence() != *held_fin_;
    if (had_fin || out_of_order) SendEmptyPacket(ns3::TcpHeader::ACK);
  }
  if (held_fin_ && has_endpoint() && m_tcb->m_rxBuffer->NextRxSequence() == *held_fin_) {
    deliver_fin(header, from, to);
  }
}

void Ns3TcpSocket::deliver_fin(const ns3::TcpHeader& header, const ns3::Address& from,
                               const ns3::Address& to) {
  ns3::TcpHeader fin = header;
  fin.SetFlags(ns3::TcpHeader::FIN);  // its ACK was processed with the segment
  fin.SetSequenceNumber(*held_fin_);
  held_fin_.reset();
  auto packet = ns3::Create<ns3::Packet>();
  packet->AddHeader(fin);
  TcpSocketBase::DoForwardUp(packet, from, to);
}

// ns-3 ends LAST-ACK and CLOSING at any ACK, also one that does not cover its FIN: what was lost
// before it is then never sent again.
void Ns3TcpSocket::forward_ack(const ns3::Ptr<ns3::Packet>& packet, const ns3::TcpHeader& header,
                               const ns3::Address& from, const ns3::Address& to) {
  if (!awaits_last_ack()) {
    TcpSocketBase::DoForwardUp(packet, from, to);
    return;
  }
  if ((header.GetFlags() & ns3::TcpHeader::ACK) == 0) return;
  const ns3::SequenceNumber32 fin_acked = m_tcb->m_highTxMark.Get() + ns3::SequenceNumber32(1);
  if (header.GetAckNumber() == fin_acked) {
    if (m_state == CLOSING) {
      TimeWait();
    } else {
      CloseAndNotify();
    }
    return;
  }
  if (header.GetAckNumber() > m_tcb->m_highTxMark.Get() || m_txBuffer->Size() == 0) return;
  EstimateRtt(header);
  UpdateWindowSize(header);
  ReceivedAck(ns3::Create<ns3::Packet>(), header);
  if (m_txBuffer->Size() == 0) {  // all but the FIN arrived
    m_retxEvent.Cancel();
    SendEmptyPacket(ns3::TcpHeader::FIN);
  }
}

// RFC 9293 3.10.7 and RFC 5961 3.2: a RST counts in SYN-SENT when it acknowledges our SYN, later when
// it is exactly the next byte; anywhere else in the window it is challenged.
void Ns3TcpSocket::reset_by_peer(const ns3::TcpHeader& header) {
  if (m_state == CLOSED || m_state == LISTEN || m_state == TIME_WAIT) return;
  if (m_state == SYN_SENT) {
    const bool ours =
        (header.GetFlags() & ns3::TcpHeader::ACK) != 0 &&
        header.GetAckNumber() == m_tcb->m_nextTxSequence.Get() + ns3::SequenceNumber32(1);
    if (ours) fail(SocketError::kRefused);
    return;
  }
  const ns3::SequenceNumber32 next = m_tcb->m_rxBuffer->NextRxSequence();
  if (header.GetSequenceNumber() == next) {
    fail(SocketError::kReset);
  } else if (header.GetSequenceNumber() > next &&
             header.GetSequenceNumber() < m_tcb->m_rxBuffer->MaxRxSequence()) {
    SendEmptyPacket(ns3::TcpHeader::ACK);
  }
}

void Ns3TcpSocket::settle() {
  if (!has_endpoint() || m_state == LISTEN) return;
  try_fin();
  restart_lost_timers();
  if (orphan_ && GetRxAvailable() > 0) abort();  // nobody will read it (RFC 9293 3.10.7.4)
}

bool Ns3TcpSocket::sends_data() const {
  return m_state == ESTABLISHED || m_state == CLOSE_WAIT || m_state == FIN_WAIT_1 ||
         awaits_last_ack();
}

// ns-3 stops the retransmission timer when the window shuts, and the persist timer with it when it
// opens: with nothing new to send, nothing would ever be sent again. It probes with nothing to send,
// which it does not survive, and waits for ever behind a window of less than a segment.
void Ns3TcpSocket::restart_lost_timers() {
  if (!has_endpoint() || !sends_data()) return;
  if (m_txBuffer->Size() == 0) {
    m_persistEvent.Cancel();
    return;
  }
  const uint32_t window = m_rWnd.Get();
  if (window > 0) m_persistTimeout = first_persist_;
  const bool stalls = window == 0 || (window < m_tcb->m_segmentSize && !in_flight());
  if (stalls && m_persistEvent.IsExpired()) {
    m_persistEvent =
        ns3::Simulator::Schedule(m_persistTimeout, &Ns3TcpSocket::PersistTimeout, this);
  }
  if (window > 0 && m_retxEvent.IsExpired() && in_flight()) {
    m_retxEvent = ns3::Simulator::Schedule(m_rto.Get(), &Ns3TcpSocket::ReTxTimeout, this);
  }
}

// --- What is sent ---

ns3::SequenceNumber32 Ns3TcpSocket::highest_sent() const {
  return std::max(m_tcb->m_nextTxSequence.Get(), m_tcb->m_highTxMark.Get());
}

bool Ns3TcpSocket::in_flight() const {
  return m_tcb->m_highTxMark.Get() > m_txBuffer->HeadSequence();
}

// What the send buffer believes of the peer's window. When exactly a window was sent and part of it
// was acknowledged selectively, ns-3 takes a new segment of no bytes, and does not survive it.
uint32_t Ns3TcpSocket::window_for_new_data() const {
  const uint32_t window = m_rWnd.Get();
  return window > 0 && window == UnAckDataCount() ? window - 1 : window;
}

// While it retransmits, ns-3's idea of "next" is in the middle of what it sent, and its ACKs, FINs
// and RSTs would carry sequence numbers the peer has to ignore.
void Ns3TcpSocket::SendEmptyPacket(uint8_t flags) {
  const ns3::Ptr<Ns3TcpSocket> alive(this);
  if ((flags & ns3::TcpHeader::FIN) != 0 && ++fins_sent_ > kDataRetries) {
    fail(SocketError::kTimedOut);  // ns-3 would repeat it for ever
    changed();
    return;
  }
  const ns3::SequenceNumber32 next = m_tcb->m_nextTxSequence;
  const bool behind = sends_data() && next < m_tcb->m_highTxMark.Get();
  if (behind) m_tcb->m_nextTxSequence = m_tcb->m_highTxMark.Get();
  TcpSocketBase::SendEmptyPacket(flags);
  if (behind) m_tcb->m_nextTxSequence = next;
}

// ns-3's probe is a byte without ACK, which a TCP drops unseen (RFC 9293 3.10.7.4). This one repeats
// the byte before the window: out of sequence, so it is answered with where the window is now.
void Ns3TcpSocket::PersistTimeout() {
  if (!has_endpoint() || m_txBuffer->Size() == 0) return;
  const ns3::Ptr<Ns3TcpSocket> alive(this);
  if (m_rWnd.Get() > 0) {
    // The window is small and nobody said so again: send into it (RFC 9293 3.8.6.2.1, override).
    if (in_flight()) return;
    const uint32_t room = std::min(m_rWnd.Get(), m_tcb->m_segmentSize);
    m_tcb->m_nextTxSequence = m_txBuffer->HeadSequence();
    m_tcb->m_nextTxSequence += SendDataPacket(m_tcb->m_nextTxSequence, room, true);
    return;
  }
  if (++probes_sent_ > kMostProbes) {
    fail(SocketError::kTimedOut);
    changed();
    return;
  }
  m_persistTimeout = std::min(to_ns3(60s), m_persistTimeout + m_persistTimeout);
  m_persistEvent = ns3::Simulator::Schedule(m_persistTimeout, &Ns3TcpSocket::PersistTimeout, this);
  ns3::TcpHeader header;
  header.SetFlags(ns3::TcpHeader::ACK);
  header.SetSequenceNumber(m_txBuffer->HeadSequence() - 1);
  header.SetAckNumber(m_tcb->m_rxBuffer->NextRxSequence());
  header.SetWindowSize(AdvertisedWindowSize());
  AddOptions(header);
  auto packet = ns3::Create<ns3::Packet>(1u);
  AddSocketTags(packet);
  if (m_endPoint != nullptr) {
    header.SetSourcePort(m_endPoint->GetLocalPort());
    header.SetDestinationPort(m_endPoint->GetPeerPort());
    m_tcp->SendPacket(packet, header, m_endPoint->GetLocalAddress(), m_endPoint->GetPeerAddress(),
                      m_boundnetdevice);
  } else {
    header.SetSourcePort(m_endPoint6->GetLocalPort());
    header.SetDestinationPort(m_endPoint6->GetPeerPort());
    m_tcp->SendPacket(packet, header, m_endPoint6->GetLocalAddress(), m_endPoint6->GetPeerAddress(),
                      m_boundnetdevice);
  }
}

// The last that sees a header before it is sent. The header is the sender's own local variable: ns-3
// passes it const, and leaves no other place to say our MSS (RFC 9293 MUST-14).
void Ns3TcpSocket::before_send(ns3::Ptr<const ns3::Packet> /*packet*/, const ns3::TcpHeader& header,
                               ns3::Ptr<const ns3::TcpSocketBase> /*socket*/) {
  if ((header.GetFlags() & ns3::TcpHeader::SYN) == 0 || !announce_mss_) return;
  constexpr uint32_t kTimestamps = 12;  // bytes; the MSS does not count options (RFC 6691)
  auto mss = ns3::CreateObject<ns3::TcpOptionMSS>();
  mss->SetMSS(static_cast<uint16_t>(m_tcb->m_segmentSize + kTimestamps));
  const_cast<ns3::TcpHeader&>(header).AppendOption(
      mss);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

// --- How it ends ---

void Ns3TcpSocket::fail(const NetError& error) {
  if (!failure_) failure_ = error;
  end();
}

void Ns3TcpSocket::fail(SocketError error) { fail(net_error(error)); }

void Ns3TcpSocket::end() {
  const ns3::Ptr<Ns3TcpSocket> alive(this);
  orphan_event_.Cancel();
  CancelAllTimers();
  m_state = CLOSED;
  DeallocateEndPoint();
}

void Ns3TcpSocket::changed() {
  const ns3::Ptr<Ns3TcpSocket> alive(this);
  if (changed_) changed_();
}

void Ns3TcpSocket::connect_succeeded(ns3::Ptr<ns3::Socket> /*socket*/) {
  settle();
  changed();
}

void Ns3TcpSocket::connect_failed(ns3::Ptr<ns3::Socket> /*socket*/) {
  if (!failure_) failure_ = net_error(SocketError::kTimedOut);
  changed();
}

// ns-3 gave up (too many retransmissions) or found a segment it could make no sense of.
void Ns3TcpSocket::closed_by_error(ns3::Ptr<ns3::Socket> /*socket*/) {
  if (!failure_) {
    failure_ = net_error(m_dataRetrCount == 0 ? SocketError::kTimedOut : SocketError::kReset);
  }
  changed();
}

void Ns3TcpSocket::icmp(ns3::Ipv4Address from, uint8_t /*ttl*/, uint8_t type, uint8_t code,
                        uint32_t /*info*/) {
  icmp_error(Family::kIpv4, from_ns3(from), type, code);
}

void Ns3TcpSocket::icmp6(ns3::Ipv6Address from, uint8_t /*ttl*/, uint8_t type, uint8_t code,
                         uint32_t /*info*/) {
  icmp_error(Family::kIpv6, from_ns3(from), type, code);
}

// Ends a connect; an established connection outlives it (RFC 9293 3.9.2.2, RFC 5927).
void Ns3TcpSocket::icmp_error(Family family, const IpAddress& from, uint8_t type, uint8_t code) {
  if (m_state != SYN_SENT) return;
  NetError error;
  error.error = error_of_icmp(family, type, code);
  error.icmp_type = type;
  error.icmp_code = code;
  error.reporter = from;
  if (error.error == SocketError::kMessageTooLong || error.error == SocketError::kOther) return;
  fail(error);
  changed();
}

}  // namespace dashi
