#include "sim/script/variables.hh"

#include "sim/script/message_forms.hh"
#include "sim/script/message_wire.hh"

namespace dashi::script {
namespace {

using Slot = VariableUse::Slot;

uint32_t* timestamp_in(TransportSpec& transport, bool echo) {
  auto* tcp = std::get_if<TcpSpec>(&transport);
  if (tcp == nullptr) return nullptr;
  for (TcpOption& option : tcp->options) {
    if (option.kind == TcpOption::Kind::kTimestamps) return echo ? &option.echo : &option.value;
  }
  return nullptr;
}

// Reads a number of a packet, or writes it; nothing: the packet has none there.
std::optional<uint32_t> at_slot(Slot slot, Ends* ends, TransportSpec& transport,
                                std::optional<uint32_t> value) {
  const auto use = [&value](auto& number) {
    if (value) number = static_cast<std::remove_reference_t<decltype(number)>>(*value);
    return std::optional<uint32_t>(number);
  };
  auto* tcp = std::get_if<TcpSpec>(&transport);
  auto* icmp = std::get_if<IcmpSpec>(&transport);
  switch (slot) {
    case Slot::kFromPort:
      return ends == nullptr ? std::nullopt : use(ends->from.port.number);
    case Slot::kToPort:
      return ends == nullptr ? std::nullopt : use(ends->to.port.number);
    case Slot::kBegin:
      return tcp == nullptr ? std::nullopt : use(tcp->begin);
    case Slot::kAck:
      return tcp == nullptr || !tcp->ack ? std::nullopt : use(*tcp->ack);
    case Slot::kTimestamp:
    case Slot::kEcho: {
      uint32_t* stamp = timestamp_in(transport, slot == Slot::kEcho);
      return stamp == nullptr ? std::nullopt : use(*stamp);
    }
    case Slot::kId:
      return icmp == nullptr ? std::nullopt : use(icmp->id);
    case Slot::kSequence:
      return icmp == nullptr ? std::nullopt : use(icmp->sequence);
  }
  return std::nullopt;
}

bool is_variable(const MessageField& field) { return field.value.substr(0, 1) == "$"; }

}  // namespace

std::string Variables::fill(PacketSpec& line) const {
  std::string unknown;
  for (const VariableUse& use : line.variables) {
    const auto known = numbers_.find(use.name);
    if (known == numbers_.end()) {
      unknown = use.name;
      continue;
    }
    const auto value = static_cast<uint32_t>(static_cast<int64_t>(known->second) + use.plus);
    at_slot(use.slot, line.ends ? &*line.ends : nullptr, line.transport, value);
  }
  const auto fill_fields = [&](MessageSpec& message) {
    for (MessageField& field : message.fields) {
      if (!is_variable(field)) continue;
      const auto known = texts_.find(field.value.substr(1));
      if (known == texts_.end())
        unknown = field.value.substr(1);
      else
        field.value = known->second;
    }
  };
  if (auto* message = std::get_if<MessageSpec>(&line.transport)) fill_fields(*message);
  for (MessageSpec& message : line.messages) fill_fields(message);
  return unknown;
}

void Variables::learn(PacketSpec& line, const SeenPacket& scripted) {
  SeenPacket seen = scripted;
  for (const VariableUse& use : line.variables) {
    if (numbers_.count(use.name) != 0) continue;
    const auto value = at_slot(use.slot, &seen.ends, seen.transport, std::nullopt);
    if (!value) continue;
    numbers_[use.name] = static_cast<uint64_t>(static_cast<int64_t>(*value) - use.plus);
  }
  if (const auto* message = std::get_if<MessageSpec>(&line.transport)) {
    const auto came = message_in({seen.frame, seen.offload}, message->protocol);
    for (const MessageField& field : message->fields) {
      if (!came || !is_variable(field)) continue;
      const std::string* value = find(*came, field.name.c_str());
      if (value != nullptr) texts_.emplace(field.value.substr(1), *value);
    }
  }
  fill(line);
}

}  // namespace dashi::script
