// Everything a Nat is made of, in the order of construction. Plain composition: the rooms know each
// other only through the references they are given here.
#pragma once

#include "core/dns/dns_service.hh"
#include "core/flow/address_policy.hh"
#include "core/flow/icmp_error.hh"
#include "core/gateway/arp_responder.hh"
#include "core/gateway/dhcpv4_server.hh"
#include "core/gateway/dhcpv6_server.hh"
#include "core/gateway/ndp_responder.hh"
#include "core/icmp/echo_proxy.hh"
#include "core/nat/config.hh"
#include "core/nat/fragments.hh"
#include "core/tcp/tcp_proxy.hh"
#include "core/udp/udp_proxy.hh"

namespace dashi {

// Keys drawn from Entropy once, and saved with the rest.
struct Secrets {
  SipKey index;
  SipKey isn;
};

struct Rooms {
  Rooms(const Config& nat_config, Env nat_env, const Secrets& nat_secrets)
      : config(nat_config),
        secrets(nat_secrets),
        guest(config.topology, config.limits.guest_addresses_v6),
        writer(nat_env.guest_link, config.topology, guest, counters),
        context{config.topology, config.limits, guest, counters, writer, nat_env},
        policy(config.topology, config.policy),
        icmp_errors(context),
        fragments(context, icmp_errors),
        arp(context),
        ndp(config.gateway, context),
        dhcpv4(config.gateway, context),
        dhcpv6(config.gateway, context),
        dns(config.dns, context, secrets.index),
        echo(config.echo, context, policy, icmp_errors, secrets.index),
        udp(config.udp, context, policy, icmp_errors, secrets.index),
        tcp(config.tcp, context, policy, icmp_errors, dns.streams(), secrets.index, secrets.isn) {}

  const Config config;
  Secrets secrets;
  Counters counters;
  Guest guest;
  FrameWriter writer;
  FlowContext context;
  AddressPolicy policy;
  IcmpErrors icmp_errors;
  Fragments fragments;
  ArpResponder arp;
  NdpResponder ndp;
  Dhcpv4Server dhcpv4;
  Dhcpv6Server dhcpv6;
  DnsService dns;
  EchoProxy echo;
  UdpProxy udp;
  TcpProxy tcp;
  Instant last_now{};  // of the latest call; never goes back
};

}  // namespace dashi
