// What the gateway answers itself: DHCPv4, DHCPv6, neighbour discovery, ARP. Headers are right but for what
// the input bends; options are the input's own bytes. Input: the world's byte, then operations.
#include "tests/fuzz/fuzz_world.hh"

namespace dashi::fuzz {
namespace {

constexpr size_t kOperationsMax = 100;

test::IpSpec between(const char* source, const char* destination) {
  test::IpSpec ip;
  ip.source = *parse_ip(source);
  ip.destination = *parse_ip(destination);
  if (ip.destination.is_v6() && ip.destination.is_multicast()) {
    const Bytes last = ip.destination.bytes().subspan(12);
    ip.destination_mac = MacAddress{{0x33, 0x33, last[0], last[1], last[2], last[3]}};
  }
  return ip;
}

void bend(ByteVector& bytes, Input& input) {
  for (uint8_t bends = input.u8() % 4; bends != 0 && !bytes.empty(); --bends) {
    bytes[input.u8() % bytes.size()] = input.u8();
  }
}

ByteVector dhcpv4(Input& input) {
  ByteVector message(240, 0);
  message[0] = 1, message[1] = 1, message[2] = 6;
  const MacAddress mac = test::IpSpec{}.source_mac;
  std::copy(mac.bytes.begin(), mac.bytes.end(), message.begin() + 28);
  bend(message, input);
  test::put_u16(message, 236, 0x6382), test::put_u16(message, 238, 0x5363);
  const uint8_t type = input.u8();
  if (type != 0) test::append(message, ByteVector{53, 1, type});
  test::append(message, input.take(input.u8() * 2u));
  message.push_back(255);
  const uint8_t where = input.u8();
  const bool unicast = (where & 1) != 0;
  test::IpSpec ip =
      between((where & 2) != 0 ? "10.0.0.2" : "0.0.0.0", unicast ? "10.0.0.1" : "255.255.255.255");
  if (!unicast) ip.destination_mac = MacAddress::broadcast();
  return test::udp_frame(ip, 68, 67, message);
}

ByteVector dhcpv6(Input& input) {
  const uint8_t type = input.u8();
  ByteVector message = {type, 1, 2, 3, 0, 1, 0, 4, 9, 9, 9, 9};
  if ((type & 0x80) != 0) {
    message[0] = type & 0x7f;
    bend(message, input);
  }
  test::append(message, input.take(input.u8() * 2u));
  const bool unicast = input.u8() == 1;
  return test::udp_frame(between("fe80::2", unicast ? "fe80::1" : "ff02::1:2"), 546, 547, message);
}

ByteVector discovery(Input& input) {
  const char* const sources[] = {"fe80::2", "::", "fd00:da51::2", "fd00:da51::77"};
  const char* const targets[] = {"ff02::2", "ff02::1:ff00:1", "fe80::1", "fd00:da51::1"};
  const uint8_t form = input.u8();
  test::IpSpec ip = between(sources[form & 3], targets[form >> 2 & 3]);
  ip.ttl = (form & 0x10) != 0 ? input.u8() : 255;
  ByteVector body;
  if ((form & 0x20) != 0)
    test::append(body, between(targets[3], targets[form >> 6]).destination.bytes());
  if (form % 2 == 0) test::append(body, ByteVector{1, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56});
  const auto type = static_cast<uint8_t>(133 + input.u8() % 6);
  const uint8_t code = (form & 0x10) != 0 ? input.u8() : 0;
  test::append(body, input.take(input.u8() % 64));
  return test::icmp_frame(ip, type, code, 0, body);
}

ByteVector arp(Input& input) {
  ByteVector frame;
  test::append(frame, MacAddress::broadcast().bytes);
  test::append(frame, test::IpSpec{}.source_mac.bytes);
  test::append(frame, ByteVector{8, 6, 0, 1, 8, 0, 6, 4, 0, 1});
  test::append(frame, test::IpSpec{}.source_mac.bytes);
  test::append(frame, ByteVector{10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1});
  bend(frame, input);
  frame.resize(frame.size() - std::min<size_t>(frame.size(), input.u8() / 8));
  return frame;
}

void program(FuzzWorld& world, Input& input) {
  for (size_t i = 0; i < kOperationsMax && !input.empty(); ++i) {
    switch (input.u8() % 7) {
      case 0:
      case 1:
        world.turn_of_one({dhcpv4(input), {}});
        break;
      case 2:
        world.turn_of_one({dhcpv6(input), {}});
        break;
      case 3:
        world.turn_of_one({discovery(input), {}});
        break;
      case 4:
        world.turn_of_one({arp(input), {}});
        break;
      case 5:
        world.advance(std::chrono::seconds(input.u8()));
        break;
      default:
        world.restore();
        world.nat().set_host_ipv6(world.now(), input.u8() % 2 != 0);
    }
  }
}

}  // namespace
}  // namespace dashi::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  dashi::fuzz::run_twice({data, size}, dashi::fuzz::program);
  return 0;
}
