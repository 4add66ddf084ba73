#include "core/base/archive.hh"

#include <boost/test/unit_test.hpp>

namespace dashi {
namespace {

struct Vault : Sink, Source {
  std::vector<uint8_t> bytes;
  size_t at = 0;
  void put(Bytes b) override { bytes.insert(bytes.end(), b.begin(), b.end()); }
  bool get(MutableBytes b) override {
    if (bytes.size() - at < b.size()) return false;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), b.size(), b.begin());
    at += b.size();
    return true;
  }
};

enum class Colour : uint8_t { kRed = 3 };

struct Thing {
  uint32_t number = 0;
  int64_t negative = 0;
  bool flag = false;
  Colour colour{};
  Instant when{};
  std::optional<uint16_t> maybe;
};

template <typename Archive>
void archive(Archive& ar, Thing& t) {
  ar(t.number, t.negative, t.flag, t.colour, t.when, t.maybe);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(archive_suite)

BOOST_AUTO_TEST_CASE(reads_back_what_was_written) {
  Thing thing{0xdeadbeef, -5, true, Colour::kRed, instant_from_nanoseconds(77), uint16_t{9}};
  Vault vault;
  ArchiveWriter writer(vault);
  writer(thing);
  Thing other;
  ArchiveReader reader(vault);
  reader(other);
  BOOST_TEST(reader.ok());
  BOOST_TEST(other.number == 0xdeadbeef);
  BOOST_TEST(other.negative == -5);
  BOOST_TEST(other.flag);
  BOOST_TEST((other.colour == Colour::kRed));
  BOOST_TEST(nanoseconds(other.when) == 77);
  BOOST_TEST(other.maybe.value() == 9);
}

BOOST_AUTO_TEST_CASE(fails_on_a_short_source_and_on_a_length_beyond_its_bound) {
  Vault vault;
  ArchiveWriter writer(vault);
  std::vector<uint32_t> values(10, 7);
  writer.bounded(values, 10);
  {
    Vault copy = vault;
    ArchiveReader reader(copy);
    std::vector<uint32_t> back;
    reader.bounded(back, 9);
    BOOST_TEST(!reader.ok());
  }
  vault.bytes.pop_back();
  ArchiveReader reader(vault);
  std::vector<uint32_t> back;
  reader.bounded(back, 10);
  BOOST_TEST(!reader.ok());
}

// Sums of times that were read do not overflow.
BOOST_AUTO_TEST_CASE(reads_no_time_of_centuries_but_never) {
  const auto read_back = [](Duration time) {
    Vault vault;
    ArchiveWriter writer(vault);
    writer(time);
    ArchiveReader reader(vault);
    Duration back{};
    reader(back);
    return reader.ok();
  };
  BOOST_TEST(read_back(24h * 365 * 36));
  BOOST_TEST(!read_back(24h * 365 * 100));
  BOOST_TEST(!read_back(24h * 365 * -100));
  Vault vault;
  ArchiveWriter writer(vault);
  Instant never = kNever;
  Instant late = kNever - Duration(1);
  writer(never, late);
  ArchiveReader reader(vault);
  Instant back;
  reader(back);
  BOOST_TEST(reader.ok());
  BOOST_TEST((back == kNever));
  reader(back);
  BOOST_TEST(!reader.ok());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dashi
