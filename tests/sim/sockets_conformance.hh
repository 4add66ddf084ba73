// The sockets conformance suite: one list of cases that holds every implementation of
// core/env/sockets.hh to its contract, so that the simulator cannot drift from reality. A backend
// implements SocketsUnderTest and registers itself once, in one .cc with the usual test main:
//
//   const bool registered = dashi::conformance::add_backend("linux", [] {
//     return std::unique_ptr<dashi::conformance::SocketsUnderTest>(new MyFixture);
//   });
//
// Every case runs for IPv4 and for IPv6, each in a fresh fixture. A case the backend calls unsupported
// is registered with a false precondition, so that Boost.Test reports it as skipped with the reason.
#pragma once

#include <boost/test/unit_test.hpp>
#include <functional>
#include <iostream>
#include <string>

#include "tests/sim/sockets_conformance_datagram.hh"
#include "tests/sim/sockets_conformance_stream.hh"
#include "tests/sim/sockets_under_test.hh"

namespace dashi::conformance {

using MakeBackend = std::function<std::unique_ptr<SocketsUnderTest>()>;

inline std::vector<Case> all_cases() {
  std::vector<Case> cases = connect_cases();
  for (const auto& more : {stream_cases(), close_cases(), listener_cases(), datagram_cases()}) {
    cases.insert(cases.end(), more.begin(), more.end());
  }
  return cases;
}

inline void add_family(const std::string& backend, Family family, const MakeBackend& make) {
  namespace ut = boost::unit_test;
  const std::string suffix = family == Family::kIpv4 ? "_ipv4" : "_ipv6";
  auto* suite = BOOST_TEST_SUITE("conformance_" + backend + suffix);
  for (const Case& one : all_cases()) {
    const auto body = [make, one, family] {
      const std::unique_ptr<SocketsUnderTest> backend_world = make();
      Scene scene(*backend_world, family);
      one.run(scene);
    };
    ut::test_case* test = ut::make_test_case(body, one.name, __FILE__, __LINE__);
    test->add_precondition([make, one, family](ut::test_unit_id) {
      const std::unique_ptr<SocketsUnderTest> backend_world = make();
      const char* reason = backend_world->unsupported(one.name, family);
      if (reason == nullptr) return boost::test_tools::assertion_result(true);
      std::cout << "SKIPPED " << one.name << ": " << reason << "\n";
      boost::test_tools::assertion_result skipped(false);
      skipped.message() << reason;
      return skipped;
    });
    suite->add(test);
  }
  ut::framework::master_test_suite().add(suite);
}

inline bool add_backend(const std::string& backend, const MakeBackend& make) {
  add_family(backend, Family::kIpv4, make);
  add_family(backend, Family::kIpv6, make);
  return true;
}

}  // namespace dashi::conformance
