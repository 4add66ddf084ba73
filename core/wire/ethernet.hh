// The Ethernet II header. No VLAN tags, no FCS: a guest link carries neither.
#pragma once

#include "core/base/bytes.hh"
#include "core/wire/address.hh"

namespace dashi {

struct EthernetHeader {
  MacAddress destination;
  MacAddress source;
  Be16 type;  // an EtherType
};
static_assert(sizeof(EthernetHeader) == 14 && alignof(EthernetHeader) == 1);

}  // namespace dashi
