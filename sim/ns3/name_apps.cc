#include <ns3/udp-socket-factory.h>

#include <limits>
#include <utility>

#include "sim/ns3/apps.hh"
#include "sim/ns3/convert.hh"

namespace dashi {

namespace {

ns3::Ptr<ns3::Socket> udp_socket(const ns3::Ptr<ns3::Node>& node, const Endpoint& local) {
  auto socket = ns3::Socket::CreateSocket(node, ns3::UdpSocketFactory::GetTypeId());
  const int bound = socket->Bind(to_ns3(local));
  DASHI_CHECK(bound == 0);
  return socket;
}

void close(const ns3::Ptr<ns3::Socket>& socket) {
  socket->SetRecvCallback(ns3::MakeNullCallback<void, ns3::Ptr<ns3::Socket>>());
  socket->Close();
}

// The next datagram that waits; empty when there is none.
std::vector<uint8_t> receive(const ns3::Ptr<ns3::Socket>& socket, ns3::Address& from) {
  const auto packet = socket->RecvFrom(std::numeric_limits<uint32_t>::max(), 0, from);
  if (packet == nullptr) return {};
  std::vector<uint8_t> bytes(packet->GetSize());
  packet->CopyData(bytes.data(), packet->GetSize());
  return bytes;
}

void send(const ns3::Ptr<ns3::Socket>& socket, Bytes bytes, const ns3::Address& to) {
  socket->SendTo(ns3::Create<ns3::Packet>(bytes.data(), static_cast<uint32_t>(bytes.size())), 0,
                 to);
}

}  // namespace

NameServer::NameServer(const ns3::Ptr<ns3::Node>& node, const Endpoint& local,
                       std::vector<DnsTableEntry> table)
    : socket_(udp_socket(node, local)), table_(std::move(table)) {
  socket_->SetRecvCallback(ns3::MakeCallback(&NameServer::readable, this));
}

NameServer::~NameServer() { close(socket_); }

void NameServer::readable(ns3::Ptr<ns3::Socket> socket) {
  ns3::Address from;
  for (auto query = receive(socket, from); !query.empty(); query = receive(socket, from)) {
    const std::vector<uint8_t> answer = answer_dns(query, table_, DnsFault::kNone, false);
    if (!answer.empty()) send(socket, answer, from);
  }
}

NameQuery::NameQuery(EventQueue& queue, const ns3::Ptr<ns3::Node>& node, const Endpoint& server,
                     uint16_t id, const std::string& name, uint16_t type,
                     std::function<void()> changed)
    : queue_(queue),
      socket_(udp_socket(node, {Ipv4Address{}, Port{0}})),
      server_(server),
      id_(id),
      query_(make_dns_query(id, name, type)),
      changed_(std::move(changed)) {
  socket_->SetRecvCallback(ns3::MakeCallback(&NameQuery::readable, this));
  ask();
}

NameQuery::~NameQuery() {
  queue_.cancel(again_);
  close(socket_);
}

void NameQuery::ask() {
  if (asked_ == kAsks) {
    given_up_ = true;
    changed_();
    return;
  }
  ++asked_;
  send(socket_, query_, to_ns3(server_));
  again_ = queue_.schedule_after(kPatience, [this] { ask(); });
}

void NameQuery::readable(ns3::Ptr<ns3::Socket> socket) {
  ns3::Address from;
  for (auto bytes = receive(socket, from); !bytes.empty(); bytes = receive(socket, from)) {
    auto parsed = parse_dns_answer(bytes);
    if (answer_.has_value() || from_ns3(from) != server_) continue;
    if (!parsed.has_value() || parsed->id != id_) continue;
    answer_ = std::move(parsed);
    queue_.cancel(again_);
    changed_();
  }
}

}  // namespace dashi
