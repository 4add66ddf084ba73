#include "core/linux/datagram_scratch.hh"

#include <netinet/udp.h>

#include <cstring>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace dashi {

void DatagramScratch::point(size_t i, size_t control_bytes) {
  msghdr& message = messages[i].msg_hdr;
  message = {};
  message.msg_name = addresses[i].get();
  message.msg_namelen = sizeof addresses[i].storage;
  message.msg_iov = &pieces[i];
  message.msg_iovlen = 1;
  message.msg_control = controls[i].bytes;
  message.msg_controllen = control_bytes;
  messages[i].msg_len = 0;
}

void ControlWriter::put(int level, int type, const void* data, size_t bytes) {
  auto* at = static_cast<char*>(message_.msg_control) + message_.msg_controllen;
  std::memset(at, 0, CMSG_SPACE(bytes));
  cmsghdr header{};
  header.cmsg_level = level;
  header.cmsg_type = type;
  header.cmsg_len = CMSG_LEN(bytes);
  std::memcpy(at, &header, sizeof header);
  std::memcpy(at + CMSG_LEN(0), data, bytes);
  message_.msg_controllen += CMSG_SPACE(bytes);
}

void ControlWriter::source(const IpAddress& address) {
  const Bytes bytes = address.bytes();
  if (address.is_v4()) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, bytes.data(), 4);
    put(IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
  } else {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, bytes.data(), 16);
    put(IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
  }
}

void ControlWriter::ttl(Family family, uint8_t value) {
  const int number = value;
  if (family == Family::kIpv4) {
    put(IPPROTO_IP, IP_TTL, &number, sizeof number);
  } else {
    put(IPPROTO_IPV6, IPV6_HOPLIMIT, &number, sizeof number);
  }
}

void ControlWriter::tos(Family family, uint8_t value) {
  const int number = value;
  if (family == Family::kIpv4) {
    put(IPPROTO_IP, IP_TOS, &number, sizeof number);
  } else {
    put(IPPROTO_IPV6, IPV6_TCLASS, &number, sizeof number);
  }
}

void ControlWriter::segment_size(uint16_t value) {
  put(IPPROTO_UDP, UDP_SEGMENT, &value, sizeof value);
}

ReceivedControl read_control(msghdr& message) {
  ReceivedControl out;
  const auto number = [](const cmsghdr* c) {
    // TTL and hop limit come as int, TOS over IPv4 as one byte.
    if (c->cmsg_len < CMSG_LEN(sizeof(int))) return static_cast<int>(*CMSG_DATA(c));
    int value = 0;
    std::memcpy(&value, CMSG_DATA(c), sizeof value);
    return value;
  };
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      Ipv4Address address;
      // Of a broadcast or multicast address: the one to answer from.
      std::memcpy(address.bytes.data(), &info.ipi_spec_dst, 4);
      out.destination = address;
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      Ipv6Address address;
      std::memcpy(address.bytes.data(), &info.ipi6_addr, 16);
      out.destination = address;
    } else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
               (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)) {
      out.ttl = static_cast<uint8_t>(number(c));
    } else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) ||
               (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)) {
      out.tos = static_cast<uint8_t>(number(c));
    } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
      out.segment_size = static_cast<uint16_t>(number(c));
    }
  }
  return out;
}

void request_control(int fd, Family family) {
  const int on = 1;
  if (family == Family::kIpv4) {
    ::setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof on);
  } else {
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof on);
  }
}

void request_coalescing(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
}

bool can_segment(int fd) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &value, &size) == 0;
}

}  // namespace dashi
