// A simulated guest: one network card, ARP and NDP, IPv4 and IPv6, DHCP and SLAAC clients, ping, UDP,
// a DNS stub resolver and the TCP of guest_tcp. It is driven by the event queue and speaks to the Nat
// only in frames. Every result is kept in a record; nothing here decides whether it was right.
#pragma once

#include "sim/dhcp_client.hh"
#include "sim/guest_tcp.hh"
#include "sim/sim_dns.hh"

namespace dashi {

struct GuestSpec {
  MacAddress mac{{0x02, 0x00, 0x00, 0x00, 0x00, 0x02}};
  uint32_t mtu = 1500;
  std::optional<Ipv4Prefix> v4;   // its own address and subnet; absent: by DHCP
  Ipv4Address gateway_v4;         // with v4
  Ipv4Address dns_v4;             // with v4
  bool ipv6 = true;               // addresses by SLAAC; else no IPv6 at all
  bool checksum_offload = false;  // leaves transport checksums to the link
  GuestTcpSpec tcp;
};

struct PingRecord {
  IpAddress to;
  uint16_t sequence = 0;
  Instant sent;
  std::optional<Instant> answered;
  bool payload_right = false;
  uint8_t reply_ttl = 0;
  bool icmp_error = false;
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  IpAddress icmp_from;
};

struct GuestDatagram {
  Endpoint from;
  Endpoint to;
  std::vector<uint8_t> bytes;
  uint8_t ttl = 0;
  Instant at;
};

struct UdpError {
  Endpoint local;
  Endpoint remote;
  uint8_t type = 0;
  uint8_t code = 0;
  IpAddress from;
};

struct ResolveRecord {
  std::string name;
  uint16_t type = 0;
  uint16_t id = 0;
  Instant asked;
  std::optional<Instant> answered;
  DnsAnswer answer;
};

struct SlaacRecord {
  uint32_t advertisements = 0;
  std::optional<Ipv6Prefix> prefix;
  uint16_t router_lifetime = 0;  // seconds
  uint32_t mtu = 0;
  std::vector<Ipv6Address> dns;
};

struct GuestCounts {
  uint64_t frames_in = 0;
  uint64_t malformed = 0;      // frames no receiver could read
  uint64_t bad_checksums = 0;  // IP or transport
  uint64_t not_for_us = 0;     // by MAC or IP address
  uint64_t frames_out = 0;
};

class TcpGuest {
 public:
  using Transmit = std::function<void(const GuestFrame&)>;

  TcpGuest(EventQueue& queue, const GuestSpec& spec, uint64_t seed, Transmit transmit);
  TcpGuest(const TcpGuest&) = delete;
  TcpGuest& operator=(const TcpGuest&) = delete;

  void start();  // asks for addresses it does not have
  void receive(const GuestFrame& frame);

  bool configured() const { return v4_.has_value() && (!spec_.ipv6 || v6_.has_value()); }
  std::optional<Ipv4Address> v4() const;
  std::optional<Ipv6Address> v6() const { return v6_; }
  Ipv6Address link_local() const { return link_local_; }
  // IPv6's first router advertisement; kNever: none came.
  Instant router_since() const { return router_since_; }

  // --- TCP ---
  GuestTcp& tcp() { return tcp_; }
  const GuestTcp& tcp() const { return tcp_; }
  uint32_t connect(const Endpoint& to, const AppSpec& app);

  // --- Others; each gives its record's number ---
  uint32_t ping(const IpAddress& to, size_t bytes, uint8_t ttl);
  void send_udp(Port from, const Endpoint& to, Bytes payload, uint8_t ttl);
  void echo_udp_on(Port port) { udp_echo_.push_back(port); }
  uint32_t resolve(const std::string& name, uint16_t type);

  const std::vector<PingRecord>& pings() const { return pings_; }
  const std::vector<GuestDatagram>& datagrams() const { return datagrams_; }
  const std::vector<UdpError>& udp_errors() const { return udp_errors_; }
  const std::vector<ResolveRecord>& resolutions() const { return resolutions_; }
  const DhcpRecord& dhcp() const { return dhcp_.record(); }
  const SlaacRecord& slaac() const { return slaac_; }
  const GuestCounts& counts() const { return counts_; }
  // Told of what its applications see, for digests: (subject, what, argument).
  void set_observer(std::function<void(uint64_t, uint64_t, uint64_t)> observer);

 private:
  struct Waiting {
    std::vector<uint8_t> frame;
    Offload offload;
  };
  struct Neighbour {
    std::optional<MacAddress> mac;
    std::vector<Waiting> waiting;  // at most kWaitingMax
    int tries = 0;
  };

  IpAddress source_for(const IpAddress& destination) const;
  IpAddress next_hop(const IpAddress& destination) const;
  bool is_ours(const IpAddress& address) const;
  void send_ip(std::vector<uint8_t> frame, const Offload& offload, const IpAddress& destination);
  void send_now(std::vector<uint8_t>& frame, const Offload& offload);
  void ask_neighbour(const IpAddress& address);
  void forget_neighbour(const IpAddress& address);
  void learn_neighbour(const IpAddress& address, const MacAddress& mac);
  void send_segment(const IpAddress& from, const IpAddress& to, const guest::TcpOut& out,
                    Bytes payload, uint16_t gso_size);

  void handle_arp(const guest::Parsed& parsed);
  void handle_icmp(const guest::Parsed& parsed);
  void handle_icmpv6(const guest::Parsed& parsed);
  void handle_echo(const guest::Parsed& parsed, bool request);
  void handle_icmp_error(const guest::Parsed& parsed, uint8_t type, uint8_t code);
  void handle_udp(const guest::Parsed& parsed);
  void handle_neighbour_solicitation(const guest::Parsed& parsed);
  void handle_neighbour_advertisement(const guest::Parsed& parsed);
  void handle_router_advertisement(const guest::Parsed& parsed);
  void send_router_solicitation();
  void solicit(const IpAddress& target, const IpAddress& source);

  void send_dhcp(Bytes message);
  void use_lease();
  void observe(uint64_t subject, uint64_t what, uint64_t argument);

  EventQueue& queue_;
  GuestSpec spec_;
  Prng prng_;
  Transmit transmit_;
  GuestTcp tcp_;
  std::optional<Ipv4Prefix> v4_;
  Ipv4Address gateway_v4_;
  std::optional<Ipv6Address> v6_;
  Ipv6Address link_local_;
  std::optional<Ipv6Address> router_v6_;
  Instant router_since_ = kNever;
  std::map<IpAddress, Neighbour> neighbours_;
  int router_tries_ = 0;
  std::vector<PingRecord> pings_;
  std::vector<GuestDatagram> datagrams_;
  std::vector<UdpError> udp_errors_;
  std::vector<Port> udp_echo_;
  std::vector<ResolveRecord> resolutions_;
  DhcpClient dhcp_;
  SlaacRecord slaac_;
  GuestCounts counts_;
  std::function<void(uint64_t, uint64_t, uint64_t)> observer_;
};

}  // namespace dashi
