#include "core/wire/search_list.hh"

#include <boost/test/unit_test.hpp>

#include "tests/core/gateway/fixture.hh"

namespace dashi::test {
namespace {

using Names = std::vector<std::string>;

ByteVector encode(const Names& names, size_t room, bool compressed) {
  ByteVector bytes(room);
  bytes.resize(compressed ? encode_search_list_compressed(names, bytes)
                          : encode_search_list(names, bytes));
  return bytes;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(search_list)

BOOST_AUTO_TEST_CASE(writes_the_example_of_rfc_3397) {
  // Section 2: "eng.apple.com." and "marketing.apple.com.".
  ByteVector expected = text(std::string_view("\3eng\5apple\3com\0\11marketing", 25));
  append(expected, ByteVector{0xc0, 0x04});
  const Names names = {"eng.apple.com.", "marketing.apple.com."};
  BOOST_TEST(encode(names, 100, true) == expected, boost::test_tools::per_element());
  BOOST_TEST((decode_search_list(expected) == Names{"eng.apple.com", "marketing.apple.com"}));
}

BOOST_AUTO_TEST_CASE(points_to_whole_names_and_through_pointers) {
  const Names names = {"a.b.c", "x.b.c", "x.b.c", "c"};
  ByteVector expected = text(std::string_view("\1a\1b\1c\0\1x", 9));
  append(expected, ByteVector{0xc0, 2, 0xc0, 7, 0xc0, 4});
  BOOST_TEST(encode(names, 100, true) == expected, boost::test_tools::per_element());
  BOOST_TEST((decode_search_list(expected) == names));
}

BOOST_AUTO_TEST_CASE(leaves_out_what_does_not_fit_and_keeps_the_rest) {
  const Names names = {"long.example", "b"};
  BOOST_TEST((encode(names, 17, false) == text(std::string_view("\4long\7example\0\1b\0", 17))));
  BOOST_TEST((encode(names, 16, false) == text(std::string_view("\4long\7example\0", 14))));
  BOOST_TEST((encode(names, 13, false) == text(std::string_view("\1b\0", 3))));
  BOOST_TEST(encode(names, 2, false).empty());
  BOOST_TEST(encode(names, 0, true).empty());
}

BOOST_AUTO_TEST_CASE(knows_the_bounds_of_labels_and_names) {
  const std::string label(63, 'a');
  BOOST_TEST(is_domain_name(label));
  BOOST_TEST(!is_domain_name(label + "a"));
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
  BOOST_TEST(is_domain_name(longest));
  BOOST_TEST(is_domain_name(longest + "."));
  BOOST_TEST(!is_domain_name(longest + "b"));
  BOOST_TEST(encode({longest}, 255, false).size() == 255u);
  for (const char* bad : {"", ".", "..", ".a", "a..", "a..b"}) BOOST_TEST(!is_domain_name(bad));
}

BOOST_AUTO_TEST_CASE(refuses_pointers_that_do_not_lead_backwards) {
  for (const ByteVector& bad :
       {ByteVector{0xc0, 0}, ByteVector{0xc0, 2, 0}, ByteVector{1, 'a', 0xc0, 0},
        ByteVector{1, 'a', 0, 0xc0, 3}, ByteVector{0xff, 0xff}}) {
    BOOST_TEST(!decode_search_list(bad).has_value());
  }
}

BOOST_AUTO_TEST_CASE(refuses_every_truncation_within_a_name) {
  const ByteVector whole = encode({"corp.example", "lab.corp.example"}, 100, true);
  for (size_t size = 0; size <= whole.size(); ++size) {
    const bool at_a_names_end = size == 0 || size == 14 || size == whole.size();
    const Bytes cut = Bytes(whole).first(size);
    BOOST_TEST(decode_search_list(cut).has_value() == at_a_names_end, size);
  }
}

BOOST_AUTO_TEST_CASE(refuses_labels_and_names_beyond_their_bounds) {
  ByteVector label = {64};
  append(label, pattern(64));
  label.push_back(0);
  BOOST_TEST(!decode_search_list(label).has_value());
  ByteVector name;
  for (int i = 0; i < 4; ++i) {
    name.push_back(63);
    append(name, pattern(63));
  }
  name.push_back(0);
  BOOST_TEST(!decode_search_list(name).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi::test
