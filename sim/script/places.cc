#include "sim/script/places.hh"

#include <array>

#include "sim/script/message_forms.hh"
#include "sim/script/setting.hh"

namespace dashi::script {
namespace {

constexpr std::array<const char*, 8> kPlaces{"guest",    "gateway",  "server",  "host",
                                             "neighbor", "loopback", "nowhere", "elsewhere"};

IpAddress with_last_byte(const Setting& setting, uint8_t last) {
  const Topology& topology = setting.world.nat.topology;
  if (setting.family == Family::kIpv4) {
    Ipv4Address address = topology.gateway_v4;
    address.bytes[3] = last;
    return address;
  }
  Ipv6Address address = topology.prefix_v6.address;
  address.bytes[15] = last;
  return address;
}

}  // namespace

std::optional<IpAddress> named_place(const std::string& name) {
  for (size_t i = 0; i < kPlaces.size(); ++i) {
    if (name == kPlaces[i]) return Ipv4Address::from_u32(static_cast<uint32_t>(i + 1));
  }
  return std::nullopt;
}

IpAddress place_of(const IpAddress& address, const Setting& setting) {
  const uint32_t index = address.is_v4() ? address.v4().to_u32() : 0;
  if (index == 0 || index > kPlaces.size()) return address;
  const bool v4 = setting.family == Family::kIpv4;
  const Topology& topology = setting.world.nat.topology;
  Ipv6Address one;
  one.bytes[15] = 1;
  Ipv6Address documentation{{0x20, 0x01, 0x0d, 0xb8, 0, 2}};
  documentation.bytes[15] = index == 7 ? 200 : 20;
  switch (index) {
    case 1:
      return setting.guest.address;
    case 2:
      return v4 ? IpAddress(topology.gateway_v4) : IpAddress(topology.gateway_v6());
    case 3:
      return setting.server.address;
    case 4:
      return setting.world.net.here.addresses[v4 ? 0 : 1];
    case 5:
      return with_last_byte(setting, 77);
    case 6:
      return v4 ? IpAddress(Ipv4Address{{127, 0, 0, 1}}) : IpAddress(one);
    case 7:
      return v4 ? IpAddress(Ipv4Address{{198, 18, 0, 200}}) : IpAddress(documentation);
    default:
      return v4 ? IpAddress(Ipv4Address{{203, 0, 113, 20}}) : IpAddress(documentation);
  }
}

void name_places(MessageSpec& message, const Setting& setting) {
  for (MessageField& field : message.fields) {
    if (type_of(message.protocol, field.name) != FieldType::kAddress) continue;
    std::string list;
    for (const std::string& item : items_of(field.value)) {
      const auto place = named_place(item);
      list += (list.empty() ? "" : ",") + (place ? to_string(place_of(*place, setting)) : item);
    }
    field.value = list;
  }
}

Endpoint forwarded_port(const Setting& setting) {
  if (!setting.world.forwards.empty()) return setting.world.forwards[0].host;
  return {place_of(*named_place("host"), setting), Port{8080}};
}

}  // namespace dashi::script
