// What ns-3 carries beside a packet as tags: the TTL, TOS and DF an upper layer wants, and those with
// which it came.
#pragma once

#include <ns3/ipv4-packet-info-tag.h>
#include <ns3/ipv6-packet-info-tag.h>
#include <ns3/packet.h>
#include <ns3/socket.h>

#include "sim/ns3/convert.hh"

namespace dashi {

inline void tag_packet(ns3::Packet& packet, Family family, uint8_t ttl, uint8_t tos,
                       bool dont_fragment) {
  if (family == Family::kIpv4) {
    if (ttl != 0) {
      ns3::SocketIpTtlTag tag;
      tag.SetTtl(ttl);
      packet.AddPacketTag(tag);
    }
    if (tos != 0) {
      ns3::SocketIpTosTag tag;
      tag.SetTos(tos);
      packet.AddPacketTag(tag);
    }
    ns3::SocketSetDontFragmentTag tag;
    if (dont_fragment) {
      tag.Enable();
    } else {
      tag.Disable();
    }
    packet.AddPacketTag(tag);
    return;
  }
  if (ttl != 0) {
    ns3::SocketIpv6HopLimitTag tag;
    tag.SetHopLimit(ttl);
    packet.AddPacketTag(tag);
  }
  if (tos != 0) {
    ns3::SocketIpv6TclassTag tag;
    tag.SetTclass(tos);
    packet.AddPacketTag(tag);
  }
}

struct HeaderMarks {
  IpAddress destination;  // unspecified: not told
  uint8_t ttl = 0;
  uint8_t tos = 0;
};

inline HeaderMarks marks_of(const ns3::Packet& packet, Family family) {
  HeaderMarks marks;
  if (family == Family::kIpv4) {
    ns3::Ipv4PacketInfoTag info;
    if (packet.PeekPacketTag(info)) {
      marks.destination = from_ns3(info.GetAddress());
      marks.ttl = info.GetTtl();
    }
    ns3::SocketIpTosTag tos;
    if (packet.PeekPacketTag(tos)) marks.tos = tos.GetTos();
    return marks;
  }
  ns3::Ipv6PacketInfoTag info;
  if (packet.PeekPacketTag(info)) {
    marks.destination = from_ns3(info.GetAddress());
    marks.ttl = info.GetHoplimit();
    marks.tos = info.GetTrafficClass();
  }
  ns3::SocketIpv6TclassTag tclass;
  if (packet.PeekPacketTag(tclass)) marks.tos = tclass.GetTclass();
  return marks;
}

}  // namespace dashi
