// Between message lines and bytes: what each protocol's messages look like on the wire, both ways. Not
// core/wire, as all of the guest's side: what both misread nobody would see.
#pragma once

#include "sim/script/wire_form.hh"

namespace dashi::script {

// One message without the headers around it; `guest` is whose it is if it does not say.
std::vector<uint8_t> arp_packet(const MessageSpec& message, const MacAddress& guest);
std::vector<uint8_t> dhcp_payload(const MessageSpec& message, const MacAddress& guest);
std::vector<uint8_t> dhcp6_payload(const MessageSpec& message);
std::vector<uint8_t> dns_payload(const MessageSpec& message);
std::vector<uint8_t> discovery_message(const MessageSpec& message);  // of icmp6; checksum zero

// Nothing: it is no message of the protocol.
std::optional<MessageSpec> read_arp(Bytes packet);
std::optional<MessageSpec> read_dhcp(Bytes payload);
std::optional<MessageSpec> read_dhcp6(Bytes payload);
std::optional<MessageSpec> read_dns(Bytes payload);
std::optional<MessageSpec> read_discovery(Bytes message);

// The line's ends and MAC addresses where it does not write them: a discovery is from nobody to all,
// a query from the guest to the gateway, anything else the flow's and the gateway's.
void address_message(PacketSpec& packet, const Macs& macs, const Ends& own, const Ends& gateway);
std::vector<uint8_t> message_frame(const PacketSpec& packet, const MessageSpec& message);
// What a frame says as a message of `protocol`.
std::optional<MessageSpec> message_in(const GuestFrame& frame, const std::string& protocol);
// DNS messages in a stream's bytes, each after its length. Nothing: they are not whole messages.
std::optional<std::vector<MessageSpec>> messages_in_stream(Bytes bytes);
std::vector<uint8_t> stream_of(const std::vector<MessageSpec>& messages);

// What came against a message line, and against the messages a TCP line carries. Empty: they agree.
std::string message_difference(const PacketSpec& line, const SeenPacket& seen);
std::string stream_difference(const PacketSpec& line, const SeenPacket& seen);
std::string text_of(const SeenPacket& scripted);  // for transcripts

}  // namespace dashi::script
