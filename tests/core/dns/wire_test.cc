#include <boost/test/unit_test.hpp>
#include <string>

#include "core/wire/dns.hh"
#include "tests/core/dns/messages.hh"

namespace dashi {

using namespace test;

namespace {

DnsName name_of_text(std::string_view text) { return dns_name_from_text(text).value(); }

// A message whose bytes from 12 on are `tail`.
ByteVector with_tail(std::initializer_list<uint8_t> tail) {
  ByteVector out = dns_message(1, 0, 1, 0, 0, 0);
  out.insert(out.end(), tail);
  return out;
}

// Calls everything that reads a message.
void read_all(Bytes message) {
  DnsName name;
  for (size_t at = 0; at <= message.size() + 1; ++at) (void)parse_dns_name(message, at, name);
  ByteVector to(600);
  (void)find_dns_edns(message);
  (void)dns_udp_reply_bytes(message);
  (void)build_dns_truncated(to, message);
  (void)build_dns_error(to, message, DnsRcode::kServerFailure);
  const std::vector<IpAddress> addresses(50, Ipv4Address{{1, 2, 3, 4}});
  if (const auto question = parse_dns_question(message)) {
    (void)build_dns_static_answer(to, message, *question, addresses, 60);
    (void)to_string(question->name);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(dns_wire)

BOOST_AUTO_TEST_CASE(turns_text_into_names_and_back) {
  BOOST_TEST(to_string(name_of_text("WWW.Example.COM.")) == "www.example.com");
  BOOST_TEST(to_string(name_of_text("_dmarc.a-b.c")) == "_dmarc.a-b.c");
  BOOST_TEST(dns_name_from_text(std::string(63, 'a')).has_value());
  const std::string label = std::string(49, 'x') + ".";
  const std::string longest = label + label + label + label + label + "abc";
  BOOST_TEST(longest.size() == 253u);
  BOOST_TEST(dns_name_from_text(longest).has_value());
  BOOST_TEST(int{name_of_text(longest).size} == 255);
  for (const std::string& bad :
       {std::string(), std::string("."), std::string("a..b"), std::string(".a"), std::string("a b"),
        std::string("a\\b"), std::string("caf\xc3\xa9"), std::string(64, 'a'), longest + "d"}) {
    BOOST_TEST(!dns_name_from_text(bad).has_value(), bad);
  }
}

BOOST_AUTO_TEST_CASE(shows_unprintable_bytes_of_names_escaped) {
  DnsName name;
  const ByteVector message = with_tail({4, 'a', '.', 0, 0xff, 0});
  BOOST_REQUIRE(parse_dns_name(message, 12, name).has_value());
  BOOST_TEST(to_string(name) == "a\\046\\000\\255");
  BOOST_REQUIRE(parse_dns_name(with_tail({0}), 12, name).has_value());
  BOOST_TEST(to_string(name) == ".");
}

BOOST_AUTO_TEST_CASE(follows_compression_backwards_only) {
  DnsName name;
  // 12: "abc" root; 17: "www" then a pointer to 12.
  const ByteVector good = with_tail({3, 'A', 'b', 'c', 0, 3, 'w', 'w', 'w', 0xc0, 12, 0xee});
  BOOST_TEST(parse_dns_name(good, 17, name).value() == 23u);
  BOOST_TEST(to_string(name) == "www.abc");
  // To itself, forwards, into its own run of labels, into the header, off the end, cut short.
  BOOST_TEST(!parse_dns_name(with_tail({0xc0, 12}), 12, name).has_value());
  BOOST_TEST(!parse_dns_name(with_tail({0xc0, 14, 0}), 12, name).has_value());
  BOOST_TEST(!parse_dns_name(with_tail({1, 'a', 0xc0, 12}), 12, name).has_value());
  BOOST_TEST(!parse_dns_name(with_tail({0xc0, 4}), 12, name).has_value());
  BOOST_TEST(!parse_dns_name(with_tail({0xff, 0xff}), 12, name).has_value());
  BOOST_TEST(!parse_dns_name(with_tail({0xc0}), 12, name).has_value());
  // Two that lead to each other.
  BOOST_TEST(!parse_dns_name(with_tail({0xc0, 14, 0xc0, 12}), 14, name).has_value());
  // The reserved label types (RFC 1035 4.1.4, RFC 6891 5).
  BOOST_TEST(!parse_dns_name(with_tail({0x41, 'a', 0}), 12, name).has_value());
  BOOST_TEST(!parse_dns_name(with_tail({0x81, 'a', 0}), 12, name).has_value());
}

BOOST_AUTO_TEST_CASE(ends_on_long_chains_of_pointers_and_names_that_are_too_long) {
  ByteVector chain = with_tail({0, 0});
  for (size_t i = 0; i < 8000; ++i) append_u16(chain, 0xc000 | (chain.size() - 2));
  DnsName name;
  BOOST_TEST(parse_dns_name(chain, 12 + 2 * 127, name).has_value());
  BOOST_TEST(!parse_dns_name(chain, chain.size() - 2, name).has_value());
  for (const size_t last : {size_t{61}, size_t{62}}) {
    ByteVector long_name = dns_message(1, 0, 1, 0, 0, 0);
    for (const size_t length : {size_t{63}, size_t{63}, size_t{63}, last}) {
      long_name.push_back(static_cast<uint8_t>(length));
      long_name.insert(long_name.end(), length, 'q');
    }
    long_name.push_back(0);
    BOOST_TEST(parse_dns_name(long_name, 12, name).has_value() == (last == 61));
  }
}

BOOST_AUTO_TEST_CASE(compares_questions_without_regard_to_case) {
  const auto a = parse_dns_question(dns_query(1, "wWw.ExAmple.com", 1)).value();
  const auto b = parse_dns_question(dns_query(2, "www.example.COM", 1)).value();
  BOOST_TEST(a.asks_the_same(b));
  BOOST_TEST(!a.asks_the_same(parse_dns_question(dns_query(1, "www.example.com", 28)).value()));
  BOOST_TEST(!a.asks_the_same(parse_dns_question(dns_query(1, "www.example.co", 1)).value()));
  ByteVector chaos = dns_query(1, "www.example.com", 1);
  chaos.back() = 3;
  BOOST_TEST(!a.asks_the_same(parse_dns_question(chaos).value()));
}

BOOST_AUTO_TEST_CASE(finds_the_edns_record_behind_others) {
  ByteVector message = dns_message(1, 0x8180, 1, 1, 0, 2);
  append(message, dns_question("a.example", 1));
  append(message, ByteVector{0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4});
  append(message, ByteVector{0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 9, 0, 0});
  append(message, opt_record(4096, 0x00018000, 4));
  const auto edns = find_dns_edns(message);
  BOOST_REQUIRE(edns.has_value());
  BOOST_TEST(edns->udp_bytes == 4096);
  BOOST_TEST(int{edns->version} == 1);
  BOOST_TEST(edns->dnssec_ok);
  BOOST_TEST(edns->record.size() == 15u);
  BOOST_TEST(dns_udp_reply_bytes(message) == 4096u);
  ByteVector named = dns_message(1, 0, 0, 0, 0, 1);  // not of the root: not EDNS
  append(named, ByteVector{1, 'x'});
  append(named, opt_record(4096, 0, 0));
  BOOST_TEST(!find_dns_edns(named).has_value());
  message.resize(message.size() - 1);
  BOOST_TEST(!find_dns_edns(message).has_value());
  BOOST_TEST(dns_udp_reply_bytes(message) == 512u);
}

BOOST_AUTO_TEST_CASE(echoes_the_question_byte_for_byte_in_an_error) {
  ByteVector to(600);
  const ByteVector query = dns_query_edns(0xbeef, "MiXeD.example", 15, 1232);
  const size_t bytes = build_dns_error(to, query, DnsRcode::kServerFailure);
  to.resize(bytes);
  BOOST_TEST(dns_id(to) == 0xbeef);
  BOOST_TEST(dns_flags(to) == 0x8182);
  const size_t question_bytes = dns_question("MiXeD.example", 15).size();
  BOOST_TEST(Bytes(to).subspan(12, question_bytes).size() == question_bytes);
  BOOST_TEST(std::equal(to.begin() + 12, to.begin() + 12 + static_cast<ptrdiff_t>(question_bytes),
                        query.begin() + 12));
  BOOST_TEST(find_dns_edns(to).has_value());
}

BOOST_AUTO_TEST_CASE(never_writes_beyond_the_buffer_nor_half_a_header) {
  const ByteVector query = dns_query_edns(1, "a.example", 255, 1232);
  const auto question = parse_dns_question(query).value();
  const std::vector<IpAddress> addresses(4, Ipv6Address{});
  for (size_t room = 0; room < 200; ++room) {
    ByteVector to(room);
    for (const size_t bytes :
         {build_dns_error(to, query, DnsRcode::kServerFailure), build_dns_truncated(to, query),
          build_dns_static_answer(to, query, question, addresses, 60)}) {
      BOOST_TEST(bytes <= room);
      BOOST_TEST((bytes == 0 || bytes >= question.end));
      if (bytes != 0) BOOST_TEST(parse_dns_question(Bytes(to).first(bytes)).has_value());
    }
  }
}

BOOST_AUTO_TEST_CASE(survives_every_truncation_and_random_bytes) {
  ByteVector message = dns_reply(dns_query(1, "www.example.org", 16), 0, 40);
  put_u16(message, 10, 1);
  append(message, opt_record(1232, 0, 12));
  for (size_t n = 0; n <= message.size(); ++n) read_all(Bytes(message).first(n));
  const uint64_t seed = 20240607;
  BOOST_TEST_MESSAGE("seed " << seed);
  uint64_t x = seed;
  for (int round = 0; round < 3000; ++round) {
    ByteVector broken = message;
    for (int flips = 0; flips < 6; ++flips) {
      x = x * 6364136223846793005 + 1442695040888963407;
      // Lengths and pointers are what hurts.
      static constexpr uint8_t kValues[] = {0, 0xc0, 0xff, 0x3f, 12, 1};
      broken[(x >> 33) % broken.size()] = kValues[(x >> 20) % 6];
    }
    read_all(broken);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
