// One good frame and more of every kind that a guest may send, for tests that damage them.
#pragma once

#include "tests/core/nat/nat_bench.hh"

namespace dashi::test {

inline std::vector<ByteVector> frame_corpus() {
  std::vector<ByteVector> out;
  for (const bool four : {true, false}) {
    const IpSpec out_there = four ? NatBench::v4("10.0.0.2", "198.51.100.7")
                                  : NatBench::v6("fd00:da51::2", "2001:db8::7");
    const IpSpec gateway =
        four ? NatBench::v4("10.0.0.2", "10.0.0.1") : NatBench::v6("fd00:da51::2", "fd00:da51::1");
    for (const IpSpec& ip : {out_there, gateway}) {
      for (const int bits : {int{kTcpSyn}, int{kTcpAck}, kTcpAck | kTcpFin, int{kTcpRst},
                             kTcpSyn | kTcpAck, kTcpAck | kTcpPsh}) {
        const auto flags = static_cast<uint8_t>(bits);
        TcpSpec tcp;
        tcp.source = 4444;
        tcp.destination = 53;
        tcp.sequence = 1000;
        tcp.flags = flags;
        if ((flags & kTcpSyn) != 0) tcp.options = {2, 4, 0x05, 0xb4, 1, 3, 3, 7};
        out.push_back(tcp_frame(ip, tcp, flags == kTcpSyn ? ByteVector{} : pattern(20)));
      }
      // A DNS question: www.example.org A
      const ByteVector dns = {0x12, 0x34, 1,   0,   0,   1,   0,   0,   0,   0,   0,
                              0,    3,    'w', 'w', 'w', 7,   'e', 'x', 'a', 'm', 'p',
                              'l',  'e',  3,   'o', 'r', 'g', 0,   0,   1,   0,   1};
      out.push_back(udp_frame(ip, 5555, 53, dns));
      out.push_back(udp_frame(ip, 5555, 7, pattern(100)));
      out.push_back(icmp_frame(ip, four ? 8 : 128, 0, 0x00010001, pattern(32)));
      out.push_back(icmp_frame(ip, four ? 3 : 1, 0, 0, pattern(60)));
    }
  }
  // Neighbour and router solicitations, DHCP, ARP.
  IpSpec ndp = NatBench::v6("fe80::2", "ff02::2");
  ndp.ttl = 255;
  ndp.destination_mac = MacAddress{{0x33, 0x33, 0, 0, 0, 2}};
  out.push_back(icmp_frame(ndp, 133, 0, 0, {1, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56}));
  ByteVector target;
  append(target, parse_ip("fd00:da51::1").value().bytes());
  append(target, ByteVector{1, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56});
  out.push_back(icmp_frame(ndp, 135, 0, 0, target));
  ByteVector dhcp(240, 0);
  dhcp[0] = 1, dhcp[1] = 1, dhcp[2] = 6;
  append(dhcp, ByteVector{53, 1, 1, 61, 7, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 55, 2, 1, 3, 255});
  put_u16(dhcp, 236, 0x6382), put_u16(dhcp, 238, 0x5363);
  IpSpec nobody = NatBench::v4("0.0.0.0", "255.255.255.255");
  nobody.destination_mac = MacAddress::broadcast();
  out.push_back(udp_frame(nobody, 68, 67, dhcp));
  IpSpec servers = NatBench::v6("fe80::2", "ff02::1:2");
  servers.destination_mac = MacAddress{{0x33, 0x33, 0, 1, 0, 2}};
  out.push_back(
      udp_frame(servers, 546, 547, {11, 1, 2, 3, 0, 1, 0, 4, 9, 9, 9, 9, 0, 6, 0, 2, 0, 23}));
  ByteVector arp;
  append(arp, MacAddress::broadcast().bytes);
  append(arp, IpSpec{}.source_mac.bytes);
  append(arp, ByteVector{8, 6, 0, 1, 8, 0, 6, 4, 0, 1});
  append(arp, IpSpec{}.source_mac.bytes);
  append(arp, ByteVector{10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1});
  out.push_back(arp);
  return out;
}

}  // namespace dashi::test
