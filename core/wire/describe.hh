// One line for one frame, much as tcpdump would write it: for transcripts, failing tests and -v. Takes
// any bytes; what does not parse is described as far as it does, with the reason at the end.
//
//   IP 10.0.0.2:40000 > 192.0.2.7:80 ttl 64 TCP [S] seq 7 win 65535 <mss 1460,sackOK> len 0
//   IP6 fe80::5 > ff02::1:ff00:1 ttl 255 ICMP6 neighbor-solicitation who-has fe80::1
//   ARP who-has 10.0.0.1 tell 10.0.0.2
#pragma once

#include <string>

#include "core/wire/packet.hh"

namespace dashi {

std::string describe(Bytes frame, const Offload& offload);

}  // namespace dashi
