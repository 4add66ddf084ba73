// ARP (RFC 826) and neighbour discovery (RFC 4861) in message lines.
#include "sim/guest_bytes.hh"
#include "sim/script/message_forms.hh"
#include "sim/script/message_wire.hh"

namespace dashi::script {
namespace {

using guest::get16;
using guest::get32;
using guest::put16;
using guest::put32;

constexpr uint8_t kRouterSolicitation = 133;
constexpr uint8_t kRouterAdvertisement = 134;
constexpr uint8_t kNeighborSolicitation = 135;
constexpr uint8_t kNeighborAdvertisement = 136;

MacAddress mac_of(const MessageSpec& message, const char* field, const MacAddress& otherwise) {
  const std::string* value = find(message, field);
  return value == nullptr ? otherwise : parse_mac(*value).value_or(otherwise);
}

void put(std::vector<uint8_t>& to, Bytes bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

void put_address6(std::vector<uint8_t>& to, const MessageSpec& message, const char* field) {
  const IpAddress address = address_of(message, field, Ipv6Address{});
  put(to, address.raw().bytes);
}

template <typename T>
std::string text_at(Bytes bytes, size_t at) {
  return to_string(load<T>(bytes.subspan(at)));
}

void put_link_layer(std::vector<uint8_t>& to, const MessageSpec& message, const char* field,
                    uint8_t type) {
  if (!has(message, field)) return;
  to.insert(to.end(), {type, 1});
  put(to, mac_of(message, field, {}).bytes);
}

// A DNSSL option's names, by commas (RFC 8106 5.2); padding is zeros.
std::string names_in(Bytes bytes) {
  std::string list;
  std::string name;
  for (size_t at = 0; at < bytes.size();) {
    const uint8_t length = bytes[at++];
    if (length == 0 && !name.empty()) {
      list += (list.empty() ? "" : ",") + std::exchange(name, {});
    }
    for (size_t i = 0; i < length && at < bytes.size(); ++i) {
      if (i == 0 && !name.empty()) name += '.';
      name += static_cast<char>(bytes[at++]);
    }
  }
  return list;
}

std::string addresses_in(Bytes bytes) {
  std::string list;
  for (size_t at = 0; at + 16 <= bytes.size(); at += 16) {
    list += (list.empty() ? "" : ",") + text_at<Ipv6Address>(bytes, at);
  }
  return list;
}

void read_prefix(Bytes option, MessageSpec& message) {
  if (option.size() != 32) return;
  add(message, "prefix", text_at<Ipv6Address>(option, 16) + "/" + std::to_string(option[2]));
  if ((option[3] & 0x80) != 0) add(message, "on-link", "");
  if ((option[3] & 0x40) != 0) add(message, "auto", "");
  add(message, "valid", get32(option, 4));
  add(message, "preferred", get32(option, 8));
}

void read_option(Bytes option, MessageSpec& message) {
  switch (option[0]) {
    case 1:
      return add(message, "source-lladdr", text_at<MacAddress>(option, 2));
    case 2:
      return add(message, "target-lladdr", text_at<MacAddress>(option, 2));
    case 3:
      return read_prefix(option, message);
    case 5:
      return add(message, "mtu", get32(option, 4));
    case 25:
      add(message, "rdnss", addresses_in(option.subspan(8)));
      return add(message, "rdnss-lifetime", get32(option, 4));
    case 31:
      return add(message, "dnssl", names_in(option.subspan(8)));
    default:
      return;
  }
}

void read_advertisement(Bytes bytes, MessageSpec& message) {
  add(message, "hop-limit", bytes[4]);
  if ((bytes[5] & 0x80) != 0) add(message, "managed", "");
  if ((bytes[5] & 0x40) != 0) add(message, "other", "");
  add(message, "lifetime", get16(bytes, 6));
}

}  // namespace

std::vector<uint8_t> arp_packet(const MessageSpec& message, const MacAddress& guest) {
  const bool reply = message.verb == "reply";
  std::vector<uint8_t> packet;
  put16(packet, static_cast<uint16_t>(number_of(message, "hardware", 1)));
  put16(packet, 0x0800);
  packet.insert(packet.end(), {6, 4, 0, static_cast<uint8_t>(reply ? 2 : 1)});
  const MacAddress own = mac_of(message, "sender-mac", guest);
  put(packet, reply ? mac_of(message, "is-at", own).bytes : own.bytes);
  put(packet, address_of(message, reply ? "sender" : "tell", Ipv4Address{}).v4().bytes);
  put(packet, mac_of(message, "target-mac", {}).bytes);
  put(packet, address_of(message, reply ? "to" : "target", Ipv4Address{}).v4().bytes);
  return packet;
}

std::optional<MessageSpec> read_arp(Bytes packet) {
  if (packet.size() < 28) return std::nullopt;
  MessageSpec message{"arp", packet[7] == 2 ? "reply" : "who-has", {}};
  const bool reply = packet[7] == 2;
  add(message, reply ? "sender" : "target", text_at<Ipv4Address>(packet, reply ? 14 : 24));
  add(message, reply ? "is-at" : "sender-mac", text_at<MacAddress>(packet, 8));
  add(message, reply ? "to" : "tell", text_at<Ipv4Address>(packet, reply ? 24 : 14));
  add(message, "target-mac", text_at<MacAddress>(packet, 18));
  add(message, "hardware", get16(packet, 0));
  return message;
}

std::vector<uint8_t> discovery_message(const MessageSpec& message) {
  const auto code = static_cast<uint8_t>(number_of(message, "code", 0));
  std::vector<uint8_t> bytes{kRouterSolicitation, code, 0, 0};
  uint32_t flags = 0;
  if (has(message, "router")) flags |= 0x80000000;
  if (has(message, "solicited")) flags |= 0x40000000;
  if (has(message, "override")) flags |= 0x20000000;
  if (message.verb == "router-advertisement") {
    bytes[0] = kRouterAdvertisement;
    flags = static_cast<uint32_t>(number_of(message, "hop-limit", 64) << 24 |
                                  number_of(message, "lifetime", 0));
    put32(bytes, flags);
    put32(bytes, 0);
    put32(bytes, 0);
  } else {
    put32(bytes, flags);
  }
  if (message.verb == "neighbor-solicitation") {
    bytes[0] = kNeighborSolicitation;
    put_address6(bytes, message, "who-has");
  } else if (message.verb == "neighbor-advertisement") {
    bytes[0] = kNeighborAdvertisement;
    put_address6(bytes, message, "tgt");
  }
  put_link_layer(bytes, message, "source-lladdr", 1);
  put_link_layer(bytes, message, "target-lladdr", 2);
  return bytes;
}

std::optional<MessageSpec> read_discovery(Bytes bytes) {
  if (bytes.size() < 8) return std::nullopt;
  MessageSpec message{"icmp6", "router-solicitation", {}};
  const uint8_t type = bytes[0];
  size_t at = 8;
  if (type == kRouterAdvertisement) {
    message.verb = "router-advertisement";
    at = 16;
  } else if (type == kNeighborSolicitation || type == kNeighborAdvertisement) {
    message.verb =
        type == kNeighborSolicitation ? "neighbor-solicitation" : "neighbor-advertisement";
    at = 24;
  } else if (type != kRouterSolicitation) {
    return std::nullopt;
  }
  if (bytes.size() < at) return std::nullopt;
  if (type == kRouterAdvertisement) read_advertisement(bytes, message);
  if (type == kNeighborSolicitation) add(message, "who-has", text_at<Ipv6Address>(bytes, 8));
  if (type == kNeighborAdvertisement) {
    add(message, "tgt", text_at<Ipv6Address>(bytes, 8));
    if ((bytes[4] & 0x80) != 0) add(message, "router", "");
    if ((bytes[4] & 0x40) != 0) add(message, "solicited", "");
    if ((bytes[4] & 0x20) != 0) add(message, "override", "");
  }
  while (at + 8 <= bytes.size()) {
    const size_t length = size_t{8} * bytes[at + 1];
    if (length == 0 || at + length > bytes.size()) return std::nullopt;
    read_option(bytes.subspan(at, length), message);
    at += length;
  }
  return message;
}

}  // namespace dashi::script
