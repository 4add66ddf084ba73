#include "core/udp/contacts.hh"

#include <boost/test/unit_test.hpp>

#include "tests/core/udp/fixture.hh"

namespace dashi {
namespace {

using test::at;
using test::ip;

BOOST_AUTO_TEST_SUITE(contacts)

BOOST_AUTO_TEST_CASE(the_contact_longest_out_of_use_is_forgotten_first) {
  Contacts contacts;
  for (uint16_t i = 0; i < Contacts::kMax; ++i) contacts.touch(at("192.0.2.1", i), ip("192.0.2.1"));
  contacts.touch(at("192.0.2.1", 0), ip("192.0.2.1"));  // in use again
  contacts.touch(at("192.0.2.2", 9), ip("192.0.2.2"));
  BOOST_TEST(contacts.size() == Contacts::kMax);
  BOOST_TEST(contacts.find(at("192.0.2.1", 0)) != nullptr);
  BOOST_TEST(contacts.find(at("192.0.2.1", 1)) == nullptr);
  for (uint16_t i = 2; i < Contacts::kMax; ++i) {
    BOOST_TEST(contacts.find(at("192.0.2.1", i)) != nullptr, i);
  }
  BOOST_TEST((contacts.latest().remote == at("192.0.2.2", 9)));
  BOOST_TEST(contacts.has_address(ip("192.0.2.2")));
  BOOST_TEST(!contacts.has_address(ip("192.0.2.3")));
}

BOOST_AUTO_TEST_CASE(a_contact_is_kept_once_under_its_latest_name) {
  Contacts contacts;
  contacts.touch(at("::1", 53), ip("fe80::1"));
  contacts.touch(at("2001:db8::1", 53), ip("2001:db8::1"));
  contacts.touch(at("::1", 53), ip("fd00::1"));
  BOOST_TEST(contacts.size() == 2u);
  BOOST_TEST((contacts.find(at("::1", 53))->seen == ip("fd00::1")));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace dashi
