#include "sim/script/code.hh"

#include <boost/test/unit_test.hpp>

using namespace dashi::script;
using Kind = CodeVerdict::Kind;

namespace {

CodeVerdict verdict_of(Code& code, const std::string& text) {
  return code.run(text, [](const std::string& name) -> std::optional<int64_t> {
    if (name == "tcpi_snd_cwnd") return 10;
    if (name == "tcpi_rto") return 204000;
    if (name == "TCP_CA_Open") return 0;
    return std::nullopt;
  });
}

CodeVerdict verdict_of(const std::string& text) {
  Code code;
  return verdict_of(code, text);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(script_code)

BOOST_AUTO_TEST_CASE(assertions_hold_by_pythons_rules) {
  for (const char* text :
       {"", " assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd ", "assert 9 <= tcpi_snd_cwnd <= 10 < 11",
        "assert tcpi_snd_cwnd != 9 and (tcpi_rto > 200000 or 1 == 2)", "assert not TCP_CA_Open",
        "assert tcpi_snd_cwnd * 2 + 1 == 21; assert tcpi_rto // 1000 == 204,\\\n tcpi_rto",
        "assert tcpi_snd_cwnd & 2 == 2\nassert (1 << 4 | 0x0f) == 31 # bits",
        "assert -7 // 2 == -4\nassert -7 % 2 == 1", "print(tcpi_snd_cwnd)\nassert True",
        "assert (tcpi_snd_cwnd ==\n 10)", "assert tcpi_snd_cwnd > 3 - -2"}) {
    const CodeVerdict verdict = verdict_of(text);
    BOOST_TEST((verdict.kind == Kind::kHolds), text << ": " << verdict.why);
  }
}

BOOST_AUTO_TEST_CASE(what_does_not_hold_is_named_with_its_values) {
  const CodeVerdict verdict =
      verdict_of("assert tcpi_rto > 0; assert tcpi_snd_cwnd == 7 or tcpi_rto < TCP_CA_Open, 'no'");
  BOOST_TEST((verdict.kind == Kind::kFails));
  BOOST_TEST(verdict.why ==
             "assert tcpi_snd_cwnd == 7 or tcpi_rto < TCP_CA_Open does not hold: tcpi_snd_cwnd is "
             "10, tcpi_rto is 204000");
  BOOST_TEST((verdict_of("assert 9 <= tcpi_snd_cwnd < 10").kind == Kind::kFails));
}

BOOST_AUTO_TEST_CASE(variables_live_as_long_as_the_script) {
  Code code;
  BOOST_TEST((verdict_of(code, "cwnd = 8").kind == Kind::kHolds));
  BOOST_TEST((verdict_of(code, "cwnd += 1 + 1").kind == Kind::kHolds));
  BOOST_TEST((verdict_of(code, "assert tcpi_snd_cwnd == cwnd").kind == Kind::kHolds));
  BOOST_TEST((verdict_of(code, "cwnd -= 1; assert tcpi_snd_cwnd == cwnd").kind == Kind::kFails));
}

BOOST_AUTO_TEST_CASE(what_is_not_served_says_so_and_never_holds) {
  for (const char* text :
       {"assert tcpi_reord_seen == 1", "if tcpi_rto: pass", "assert 1.5 < 2", "import os", "assert",
        "assert tcpi_rto ==", "assert (1", "assert 1 / 2", "assert 'a' == 'a'", "f(1)",
        "assert 1 % 0 == 0", "assert 99999999999999999999 > 1", "x =", "assert 1 2"}) {
    const CodeVerdict verdict = verdict_of(text);
    BOOST_TEST((verdict.kind == Kind::kNotServed), text);
    BOOST_TEST(!verdict.why.empty());
  }
  BOOST_TEST(verdict_of("assert tcpi_reord_seen == 1").why ==
             "tcpi_reord_seen is not known of a NAT's connection");
  BOOST_TEST((verdict_of("assert " + std::string(100000, '(')).kind == Kind::kNotServed));
}

BOOST_AUTO_TEST_CASE(a_number_that_may_be_less_is_told_and_the_rest_is_carried_out) {
  Code code;
  code.let_be_less("tcpi_snd_cwnd");
  const auto kind_of = [&](const std::string& text) { return verdict_of(code, text).kind; };
  const CodeVerdict less =
      verdict_of(code, "assert tcpi_snd_cwnd >= 11, 'no'; assert tcpi_snd_cwnd == 12; a = 5 + 7");
  BOOST_TEST((less.kind == Kind::kLess));
  BOOST_TEST(less.why == "assert tcpi_snd_cwnd >= 11 does not hold: tcpi_snd_cwnd is 10");
  BOOST_TEST(less.at == 0);
  BOOST_TEST((kind_of("assert tcpi_snd_cwnd==a") == Kind::kLess));
  BOOST_TEST((kind_of("assert tcpi_snd_cwnd >= 10\nassert tcpi_snd_cwnd == 10") == Kind::kHolds));
  for (const char* text :
       {"assert tcpi_snd_cwnd == 9", "assert tcpi_snd_cwnd > 10", "assert tcpi_snd_cwnd != 10",
        "assert tcpi_snd_cwnd <= 9", "assert 11 == tcpi_snd_cwnd", "assert tcpi_rto == 204001",
        "assert tcpi_snd_cwnd == 11 == 11", "assert tcpi_snd_cwnd == 11 and 1 == 1",
        "assert tcpi_snd_cwnd + 1 == 12", "assert tcpi_snd_cwnd >= 11; assert tcpi_rto == 1"}) {
    BOOST_TEST((kind_of(text) == Kind::kFails), text);
  }
  BOOST_TEST((verdict_of("assert tcpi_snd_cwnd == 11").kind == Kind::kFails));
  // None at all is not a smaller one.
  code.let_be_less("window");
  BOOST_TEST((kind_of("window = 1\nassert window == 10") == Kind::kLess));
  BOOST_TEST((kind_of("window = 0\nassert window == 10") == Kind::kFails));
  BOOST_TEST((kind_of("window = 0 - 1\nassert window >= 10") == Kind::kFails));
}

BOOST_AUTO_TEST_SUITE_END()
