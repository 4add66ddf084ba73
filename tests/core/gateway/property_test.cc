// Properties over generated input. RapidCheck prints the seed of each run, and how to repeat it:
// RC_PARAMS="seed=..." or "reproduce=...".
#include <rapidcheck/boost_test.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "core/gateway/dhcpv6_server.hh"
#include "core/wire/search_list.hh"
#include "tests/core/gateway/dhcpv4_fixture.hh"
#include "tests/core/gateway/ndp_fixture.hh"

namespace dashi::test {
namespace {

using Names = std::vector<std::string>;

// Labels from few letters, so that names share suffixes and pointers are made.
rc::Gen<std::string> label() {
  return rc::gen::withSize([](int size) {
    return rc::gen::mapcat(rc::gen::inRange(1, std::clamp(size / 4, 2, 64)), [](int length) {
      return rc::gen::container<std::string>(static_cast<size_t>(length),
                                             rc::gen::element('a', 'b', '-'));
    });
  });
}

rc::Gen<std::string> name() {
  return rc::gen::map(rc::gen::nonEmpty(rc::gen::container<Names>(label())), [](Names labels) {
    std::string joined;
    for (const std::string& each : labels) {
      if (joined.size() + each.size() + 1 > 253) break;
      joined += (joined.empty() ? "" : ".") + each;
    }
    return joined;
  });
}

rc::Gen<Names> names() { return rc::gen::container<Names>(name()); }

bool is_subsequence(const Names& part, const Names& whole) {
  size_t i = 0;
  for (const std::string& each : whole) {
    if (i < part.size() && part[i] == each) ++i;
  }
  return i == part.size();
}

ByteVector encode(const Names& list, size_t room, bool compressed) {
  ByteVector bytes(room);
  bytes.resize(compressed ? encode_search_list_compressed(list, bytes)
                          : encode_search_list(list, bytes));
  return bytes;
}

bool lies_in(Bytes part, Bytes whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

rc::Gen<ByteVector> data_of(size_t max) {
  return rc::gen::mapcat(rc::gen::inRange<size_t>(0, max), [](size_t size) {
    return rc::gen::container<ByteVector>(size, rc::gen::arbitrary<uint8_t>());
  });
}

// Any bytes, often nearly options: small numbers, so that lengths are plausible.
rc::Gen<ByteVector> plausible_bytes() {
  return rc::gen::container<ByteVector>(
      rc::gen::oneOf(rc::gen::arbitrary<uint8_t>(), rc::gen::inRange<uint8_t>(0, 8),
                     rc::gen::element<uint8_t>(1, 3, 6, 50, 53, 54, 55, 57, 61, 255)));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(property)

RC_BOOST_PROP(search_lists_are_read_as_written, ()) {
  const Names list = *names();
  for (const bool compressed : {false, true}) {
    RC_ASSERT(decode_search_list(encode(list, 65536, compressed)) == list);
  }
}

RC_BOOST_PROP(compression_never_costs, ()) {
  const Names list = *names();
  RC_ASSERT(encode(list, 65536, true).size() <= encode(list, 65536, false).size());
}

RC_BOOST_PROP(search_lists_keep_whole_names_in_any_room, ()) {
  const Names list = *names();
  const auto room = *rc::gen::inRange<size_t>(0, 300);
  for (const bool compressed : {false, true}) {
    const auto read = decode_search_list(encode(list, room, compressed));
    RC_ASSERT(read.has_value());
    RC_ASSERT(is_subsequence(*read, list));
  }
}

RC_BOOST_PROP(any_bytes_end_as_a_search_list_or_as_none, (const ByteVector& bytes)) {
  const auto list = decode_search_list(bytes);
  if (!list.has_value()) return;
  for (const std::string& each : *list) RC_ASSERT(each.size() <= 254u);
}

RC_BOOST_PROP(any_text_is_a_name_or_is_left_out, (const std::string& text)) {
  const ByteVector bytes = encode({text}, 300, true);
  RC_ASSERT(bytes.empty() != is_domain_name(text));
  if (bytes.empty()) return;
  std::string bare = text;
  if (bare.back() == '.') bare.pop_back();
  RC_ASSERT(decode_search_list(bytes) == Names{bare});
}

RC_BOOST_PROP(dhcpv4_options_are_read_as_written, ()) {
  const auto codes = *rc::gen::container<ByteVector>(rc::gen::inRange<uint8_t>(1, 255));
  ByteVector buffer(100000);
  Dhcpv4OptionWriter writer(buffer);
  std::vector<ByteVector> written;
  for (const uint8_t code : codes) {
    written.push_back(*data_of(600));
    const size_t before = writer.size();
    RC_ASSERT(writer.put(static_cast<Dhcpv4OptionCode>(code), written.back()));
    RC_ASSERT(writer.size() - before == Dhcpv4OptionWriter::size_of(written.back().size()));
  }
  RC_ASSERT(writer.put_end());
  Dhcpv4Options walk(Bytes(buffer).first(writer.size()));
  for (size_t i = 0; i < codes.size(); ++i) {
    ByteVector read;
    for (;;) {  // RFC 3396: every instance but the last is full
      const auto option = walk.next();
      RC_ASSERT(option.has_value());
      RC_ASSERT(static_cast<uint8_t>(option->code) == codes[i]);
      append(read, option->data);
      if (read.size() >= written[i].size()) break;
    }
    RC_ASSERT(read == written[i]);
  }
  RC_ASSERT(!walk.next().has_value());
  RC_ASSERT(!walk.malformed());
}

RC_BOOST_PROP(dhcpv4_options_are_written_whole_or_not_at_all, ()) {
  const ByteVector data = *data_of(600);
  ByteVector buffer(*rc::gen::inRange<size_t>(0, 700), 0xee);
  Dhcpv4OptionWriter writer(buffer);
  const bool fits = Dhcpv4OptionWriter::size_of(data.size()) <= buffer.size();
  RC_ASSERT(writer.put(Dhcpv4OptionCode::kClientId, data) == fits);
  if (!fits) RC_ASSERT(buffer == ByteVector(buffer.size(), 0xee));
}

RC_BOOST_PROP(any_bytes_are_dhcpv4_options_or_malformed, ()) {
  const ByteVector bytes = *plausible_bytes();
  Dhcpv4Options walk(bytes);
  while (const auto option = walk.next()) RC_ASSERT(lies_in(option->data, bytes));
  RC_ASSERT(!walk.next().has_value());
}

RC_BOOST_PROP(dhcpv6_options_are_read_as_written, ()) {
  const auto codes = *rc::gen::arbitrary<std::vector<uint16_t>>();
  ByteVector buffer(100000);
  Dhcpv6OptionWriter writer(buffer);
  std::vector<ByteVector> written;
  for (const uint16_t code : codes) {
    written.push_back(*data_of(600));
    RC_ASSERT(writer.put(static_cast<Dhcpv6OptionCode>(code), written.back()));
  }
  Dhcpv6Options walk(Bytes(buffer).first(writer.size()));
  for (size_t i = 0; i < codes.size(); ++i) {
    const auto option = walk.next();
    RC_ASSERT(option.has_value());
    RC_ASSERT(static_cast<uint16_t>(option->code) == codes[i]);
    RC_ASSERT(ByteVector(option->data.begin(), option->data.end()) == written[i]);
  }
  RC_ASSERT(!walk.next().has_value());
  RC_ASSERT(!walk.malformed());
}

RC_BOOST_PROP(any_bytes_are_dhcpv6_and_ndp_options_or_malformed, ()) {
  const ByteVector bytes = *plausible_bytes();
  Dhcpv6Options dhcp(bytes);
  while (const auto option = dhcp.next()) RC_ASSERT(lies_in(option->data, bytes));
  NdpOptions ndp(bytes);
  size_t walked = 0;
  while (const auto option = ndp.next()) {
    RC_ASSERT(lies_in(option->bytes, bytes));
    walked += option->bytes.size();
  }
  RC_ASSERT(ndp.malformed() == (walked != bytes.size()));
}

// What the client says last holds: the bytes appended to a message may say it once more.
uint16_t last_accepted_size(const ByteVector& options, uint16_t accepted) {
  ByteVector ended = options;
  ended.push_back(255);
  Dhcpv4Options walk(ended);
  while (const auto option = walk.next()) {
    if (option->code == Dhcpv4OptionCode::kMaxMessageSize && option->data.size() == 2) {
      accepted = static_cast<uint16_t>(option->data[0] << 8 | option->data[1]);
    }
  }
  return accepted;
}

RC_BOOST_FIXTURE_PROP(any_dhcpv4_request_is_answered_within_bounds_or_dropped_once, Dhcpv4Fixture,
                      ()) {
  ClientMessage message(*rc::gen::inRange<uint8_t>(1, 9));
  message.flags = *rc::gen::element<uint16_t>(0, 0x8000, 0xffff);
  const auto address = rc::gen::element(Ipv4Address{}, kGuestV4, kGatewayV4, v4("10.0.0.99"));
  message.client = *address;
  config.search = *names();
  topology.mtu = link.link_limits.mtu = *rc::gen::inRange<uint32_t>(576, 9000);
  if (*rc::gen::arbitrary<bool>()) message.address(50, *address);
  if (*rc::gen::arbitrary<bool>()) message.address(54, kGatewayV4);
  uint16_t accepted = *rc::gen::arbitrary<uint16_t>();
  message.option(57, {static_cast<uint8_t>(accepted >> 8), static_cast<uint8_t>(accepted & 255)});
  message.option(55, *data_of(256));
  if (message.bytes().size() > 500) message.options.resize(60);
  append(message.options, *plausible_bytes());
  if (message.bytes().size() + 28 > topology.mtu) return;
  accepted = last_accepted_size(message.options, accepted);
  const Outcome outcome = tell(message);
  const bool goodbye = counters[Counter::kDhcpv4Releases] + counters[Counter::kDhcpv4Declines] != 0;
  if (goodbye) {
    RC_ASSERT(outcome.frames.empty() && outcome.drops.empty());
    return;
  }
  RC_ASSERT(outcome.is_accounted_for());
  if (outcome.frames.empty()) return;
  const ServerMessage reply(outcome.frames[0]);
  RC_ASSERT(reply.packet.ip.size() <=
            std::min<size_t>(topology.mtu, std::max<size_t>(accepted, 576)));
  RC_ASSERT(reply.has(54));
  RC_ASSERT(reply.has(1) == (reply.type() != kNak));
}

RC_BOOST_FIXTURE_PROP(any_dhcpv6_message_is_answered_within_the_least_mtu_or_dropped_once,
                      GatewayFixture, ()) {
  config.search = *names();
  Dhcpv6Server server(config, context);
  ByteVector message = {*rc::gen::inRange<uint8_t>(0, 14), 1, 2, 3};
  const auto options = *rc::gen::container<ByteVector>(rc::gen::element<uint8_t>(1, 2, 3, 4, 25));
  for (const uint8_t code : options) {
    const ByteVector data = *data_of(160);
    append_u16(message, code);
    append_u16(message, data.size());
    append(message, data);
  }
  if (message.size() > 1400) message.resize(1400);
  IpSpec ip;
  ip.source = kGuestLinkLocal;
  ip.destination = v6(*rc::gen::element("ff02::1:2", "fe80::5055:aff:fe00:1"));
  const Outcome outcome = feed(server, udp_frame(ip, 546, 547, message));
  RC_ASSERT(outcome.is_accounted_for());
  if (!outcome.frames.empty()) RC_ASSERT(outcome.frames[0].packet().ip.size() <= 1280u);
}

RC_BOOST_FIXTURE_PROP(any_ndp_message_is_answered_or_dropped_once, NdpFixture, ()) {
  const auto source = *rc::gen::element(Ipv6Address{}, kGuestUla, kGatewayUla, v6("fd00:da51::9"));
  const auto target = *rc::gen::element(kGuestUla, kGatewayUla, v6("fd00:da51::9"), kAllNodes);
  const auto type = *rc::gen::inRange<uint8_t>(133, 138);
  ByteVector body(target.bytes.begin(), target.bytes.end());
  if (type == 133) body.clear();
  append(body, *plausible_bytes());
  const IpSpec ip = ndp_spec(source, *rc::gen::element(solicited_node(target), kGatewayUla));
  const Outcome outcome = feed(ndp, icmp_frame(ip, type, 0, 0, body));
  RC_ASSERT(outcome.is_accounted_for());
  // Never for duplicate address detection but of the gateway's own, never for the guest's own.
  if (type == 135 && target != kGatewayUla && (source.is_unspecified() || source == target)) {
    RC_ASSERT(outcome.frames.empty());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
