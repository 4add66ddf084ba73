#include <boost/test/unit_test.hpp>

#include "tests/core/dns/fixture.hh"

namespace dashi {

using namespace test;

namespace {

const IpAddress kAddress = Ipv4Address{{10, 0, 0, 5}};
const IpAddress kAddress6 = parse_ipv6("fd00::5").value();

std::vector<IpAddress> many(size_t n) {
  std::vector<IpAddress> out;
  for (size_t i = 0; i < n; ++i) {
    out.push_back(Ipv4Address::from_u32(0x0a010000 + static_cast<uint32_t>(i)));
  }
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(dns_static)

// Scenario 23 of the predecessor's tests.
BOOST_FIXTURE_TEST_CASE(answers_for_a_name_of_ours_with_authority, DnsWorld) {
  config.resolvers.clear();
  config.records = {{"example.com", {kAddress}}};
  ask(4000, dns_query(0x1234, "example.com", 1));
  const ByteVector reply = answer();
  BOOST_TEST(dns_id(reply) == 0x1234);
  BOOST_TEST(int{reply[2]} == 0x85);
  BOOST_TEST(int{reply[3]} == 0x80);
  BOOST_TEST(dns_answers(reply) == 1);
  BOOST_TEST(last_frame.packet().source_port.number == 53);
  const size_t record = 12 + dns_question("example.com", 1).size();
  const ByteVector expected = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 5};
  BOOST_TEST(ByteVector(reply.begin() + static_cast<ptrdiff_t>(record), reply.end()) == expected);
  ask(4001, dns_query(0x5678, "unknown.example", 1));
  const ByteVector refused = answer();
  BOOST_TEST(dns_rcode(refused) == 2);
  BOOST_TEST((dns_flags(refused) & 0x8000) != 0);
  BOOST_TEST(count(Counter::kDnsStaticAnswers) == 1u);
}

BOOST_FIXTURE_TEST_CASE(matches_names_in_any_case_and_echoes_the_one_asked, DnsWorld) {
  config.records = {{"Host.Dashi.Internal.", {kAddress}}};
  const ByteVector query = dns_query(1, "hOST.daSHI.INternal", 1);
  ask(4000, query);
  const ByteVector reply = answer();
  BOOST_TEST(dns_answers(reply) == 1);
  BOOST_TEST(std::equal(query.begin() + 12, query.end(), reply.begin() + 12));
  ask(4000, dns_query(2, "sub.host.dashi.internal", 1));  // not ours: passed on
  BOOST_TEST(sockets.datagrams.size() == 1u);
}

BOOST_FIXTURE_TEST_CASE(says_no_data_for_types_a_name_of_ours_has_not, DnsWorld) {
  config.records = {{"four", {kAddress}}, {"six", {kAddress6}}, {"none", {}}};
  const auto answers_of = [&](std::string_view name, uint16_t type) {
    ask(4000, dns_query(1, name, type));
    const ByteVector reply = answer();
    BOOST_TEST(dns_rcode(reply) == 0);
    BOOST_TEST((dns_flags(reply) & 0x0400) != 0);
    return dns_answers(reply);
  };
  BOOST_TEST(answers_of("four", 1) == 1);
  BOOST_TEST(answers_of("four", 28) == 0);
  BOOST_TEST(answers_of("four", 16) == 0);
  BOOST_TEST(answers_of("six", 28) == 1);
  BOOST_TEST(answers_of("six", 1) == 0);
  BOOST_TEST(answers_of("six", 255) == 1);
  BOOST_TEST(answers_of("none", 1) == 0);
  BOOST_TEST(sockets.datagrams.empty());
  ByteVector chaos = dns_query(1, "four", 1);
  chaos.back() = 3;  // another class is not ours
  ask(4000, chaos);
  BOOST_TEST(sockets.datagrams.size() == 1u);
}

// Scenario 24: what fits is told, and that there is more.
BOOST_FIXTURE_TEST_CASE(truncates_many_records_to_what_fits, DnsWorld) {
  ByteVector to(12 + dns_question("many", 1).size() + 2 * 16);
  const ByteVector query = dns_query(1, "many", 1);
  const size_t bytes =
      build_dns_static_answer(to, query, parse_dns_question(query).value(), many(20), 60);
  BOOST_TEST(bytes == to.size());
  BOOST_TEST((dns_flags(to) & 0x0200) != 0);
  BOOST_TEST(dns_answers(to) == 2);

  config.records = {{"many", many(200)}};
  ask(4000, query);
  const ByteVector plain = answer();
  BOOST_TEST((dns_flags(plain) & 0x0200) != 0);
  BOOST_TEST(dns_answers(plain) == (512 - 22) / 16);
  ask(4000, dns_query_edns(2, "many", 1, 65535));
  const ByteVector edns = answer();  // bounded by the MTU: 1500 - 28 - 22 - 11 of OPT
  BOOST_TEST((dns_flags(edns) & 0x0200) != 0);
  BOOST_TEST(dns_answers(edns) == (1500 - 28 - 22 - 11) / 16);
  BOOST_TEST(find_dns_edns(edns).has_value());
  BOOST_TEST(count(Counter::kDnsTruncated) == 2u);
  GuestStream stream(*this, 0);
  stream.write(framed(query));
  const ByteVector whole = stream.read();
  BOOST_TEST(dns_answers(whole) == 200);
  BOOST_TEST((dns_flags(whole) & 0x0200) == 0);
}

BOOST_FIXTURE_TEST_CASE(answers_an_unknown_edns_version_with_badvers, DnsWorld) {
  config.records = {{"four", {kAddress}}};
  ByteVector query = dns_message(1, 0x0100, 1, 0, 0, 1);
  append(query, dns_question("four", 1));
  append(query, opt_record(1232, 0x00010000, 0));
  ask(4000, query);
  const ByteVector reply = answer();
  BOOST_TEST(dns_answers(reply) == 0);
  BOOST_TEST(dns_rcode(reply) == 0);
  const auto edns = find_dns_edns(reply);
  BOOST_REQUIRE(edns.has_value());
  BOOST_TEST(int{edns->record[5]} == 1);  // the upper bits of 16
  BOOST_TEST(int{edns->version} == 0);
}

BOOST_FIXTURE_TEST_CASE(sets_replaces_and_removes_records_while_it_runs, DnsWorld) {
  limits.dns_records = 4;
  const std::vector<IpAddress> both{kAddress, kAddress6};
  BOOST_TEST(dns().set_record("a.example", both).ok());
  BOOST_TEST(dns().set_record("A.Example", many(2)).ok());  // A alone is replaced
  ask(4000, dns_query(1, "a.example", 1));
  BOOST_TEST(dns_answers(answer()) == 2);
  ask(4000, dns_query(1, "a.example", 28));
  BOOST_TEST(dns_answers(answer()) == 1);
  BOOST_TEST((dns().set_record("a.example", many(4)).error() == DnsRecordError::kTooManyRecords));
  BOOST_TEST((dns().set_record("b.example", many(2)).error() == DnsRecordError::kTooManyRecords));
  BOOST_TEST(dns().set_record("b.example", many(1)).ok());
  BOOST_TEST((dns().set_record("c.example", {}).error() == DnsRecordError::kTooManyRecords));
  BOOST_TEST((dns().set_record("b..example", many(1)).error() == DnsRecordError::kNameNotValid));
  BOOST_TEST(
      (dns().set_record(std::string(64, 'l'), many(1)).error() == DnsRecordError::kNameNotValid));
  BOOST_TEST(dns().remove_record("a.EXAMPLE"));
  BOOST_TEST(!dns().remove_record("a.example"));
  ask(4000, dns_query(1, "a.example", 1));
  BOOST_TEST(sockets.datagrams.size() == 1u);
}

BOOST_FIXTURE_TEST_CASE(validates_a_configuration, DnsWorld) {
  config.records = {{"a", many(3)}, {"b", many(2)}};
  limits.dns_records = 5;
  BOOST_TEST(DnsService::validate(config, limits).ok());
  limits.dns_records = 4;
  BOOST_TEST((DnsService::validate(config, limits).error() == DnsRecordError::kTooManyRecords));
  config.records = {{"a b", many(1)}};
  BOOST_TEST((DnsService::validate(config, limits).error() == DnsRecordError::kNameNotValid));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
