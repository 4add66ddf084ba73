#include "core/udp/contacts.hh"

#include <boost/test/unit_test.hpp>

#include "tests/core/udp/fixture.hh"

namespace dashi {
namespace {

using test::at;
using test::ip;

struct Fixture {
  UdpConfig config;
  Contacts contacts{config, 12, 4, SipKey{1, 2}};
  Instant now = instant_from_nanoseconds(1'000'000'000);

  static Endpoint remote(uint16_t i) { return at("192.0.2.1", i); }
  // Each a little later than the one before.
  void touch(uint32_t mapping, uint16_t i) {
    now += Contacts::kGrain;
    contacts.touch(now, mapping, remote(i), remote(i).address);
  }
  bool has(uint32_t mapping, uint16_t i) const {
    return contacts.find(now, mapping, remote(i)) != Contacts::kNone;
  }
};

BOOST_FIXTURE_TEST_SUITE(contacts, Fixture)

BOOST_AUTO_TEST_CASE(the_contact_longest_out_of_use_is_forgotten_first) {
  for (uint16_t i = 0; i < 12; ++i) touch(0, i);
  touch(0, 0);  // in use again
  now += Contacts::kGrain;
  contacts.refresh(now, contacts.find(now, 0, remote(1)));  // heard from
  touch(0, 100);
  BOOST_TEST(contacts.size() == 12u);
  for (uint16_t i = 0; i < 12; ++i) BOOST_TEST(has(0, i) == (i != 2), i);
  BOOST_TEST(has(0, 100));
  BOOST_TEST(!has(1, 100));  // another mapping's
}

BOOST_AUTO_TEST_CASE(who_has_a_share_takes_from_nobody_else) {
  for (uint16_t i = 0; i < 3; ++i) touch(1, i);
  for (uint16_t i = 0; i < 100; ++i) touch(0, i);
  BOOST_TEST(contacts.count(1) == 3u);
  for (uint16_t i = 0; i < 3; ++i) BOOST_TEST(has(1, i), i);
  BOOST_TEST(contacts.count(0) == 9u);
  for (uint16_t i = 91; i < 100; ++i) BOOST_TEST(has(0, i), i);
}

BOOST_AUTO_TEST_CASE(who_has_less_takes_what_is_longest_out_of_use_of_all) {
  touch(1, 0);
  for (uint16_t i = 0; i < 11; ++i) touch(0, i);
  touch(1, 0);
  touch(2, 0);
  touch(2, 1);
  BOOST_TEST(contacts.count(0) == 9u);
  BOOST_TEST(!has(0, 1));
  BOOST_TEST(has(0, 2));
  BOOST_TEST(has(1, 0));
  BOOST_TEST(has(2, 1));
}

BOOST_AUTO_TEST_CASE(a_contact_lasts_as_long_as_an_idle_mapping) {
  touch(0, 1);
  touch(0, 2);
  now += config.timeout - 1s;
  BOOST_REQUIRE(has(0, 1));
  contacts.refresh(now, contacts.find(now, 0, remote(2)));
  now += 2 * Contacts::kGrain;
  BOOST_TEST(!has(0, 1));
  BOOST_TEST(has(0, 2));
  touch(0, 1);  // as new
  BOOST_TEST(has(0, 1));
  BOOST_TEST(contacts.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_contact_is_kept_once_under_its_latest_name) {
  contacts.touch(now, 0, at("::1", 53), ip("fe80::1"));
  contacts.touch(now, 0, at("2001:db8::1", 53), ip("2001:db8::1"));
  contacts.touch(now, 0, at("::1", 53), ip("fd00::1"));
  BOOST_TEST(contacts.size() == 2u);
  BOOST_TEST((contacts.seen(contacts.find(now, 0, at("::1", 53))) == ip("fd00::1")));
}

BOOST_AUTO_TEST_CASE(a_mapping_that_ends_takes_its_contacts_along) {
  for (uint16_t i = 0; i < 6; ++i) touch(i % 2, i);
  contacts.forget(0);
  BOOST_TEST(contacts.size() == 3u);
  for (uint16_t i = 0; i < 6; ++i) BOOST_TEST(has(i % 2, i) == (i % 2 == 1), i);
  contacts.forget(1);
  contacts.forget(1);
  BOOST_TEST(contacts.size() == 0u);
}

BOOST_AUTO_TEST_CASE(the_order_is_state) {
  for (uint16_t i = 0; i < 12; ++i) touch(i % 3, i);
  touch(0, 0);
  test::MemoryArchive saved;
  ArchiveWriter writer(saved);
  contacts.archive_all(writer);
  Contacts again(config, 12, 4, SipKey{3, 4});
  ArchiveReader reader(saved);
  again.archive_all(reader);
  BOOST_REQUIRE(reader.ok());
  test::MemoryArchive twice;
  ArchiveWriter second(twice);
  again.archive_all(second);
  BOOST_TEST(twice.bytes == saved.bytes);
  again.touch(now, 3, remote(7), remote(7).address);
  BOOST_TEST((again.find(now, 1, remote(1)) == Contacts::kNone));  // the oldest of all
  BOOST_TEST((again.find(now, 0, remote(0)) != Contacts::kNone));
  // A mapping there cannot be.
  Contacts small(config, 12, 2, SipKey{});
  saved.read = 0;
  ArchiveReader of_more(saved);
  small.archive_all(of_more);
  BOOST_TEST(!of_more.ok());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
