// Plays scenarios with a simulated guest: `simulated_guests native|ns3 LOSS_PPM` reads a plan a line
// from its input and writes what both ends saw, a line each. guests_agree.py speaks to it.
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "tests/guests/guest_run.hh"

namespace dashi::guests {
namespace {

std::istream& operator>>(std::istream& in, EndPlan& end) {
  return in >> end.sends >> end.answers >> end.finishes >> end.aborts_at >> end.late;
}

std::ostream& operator<<(std::ostream& out, const EndSeen& end) {
  return out << end.received << ' ' << end.right << ' ' << end.end;
}

int play(bool ns3, Chance loss) {
  std::string name;
  Plan plan;
  bool v6 = false;
  while (std::cin >> name >> plan.guest_calls >> v6 >> plan.refused >> plan.guest >> plan.server) {
    plan.family = v6 ? Family::kIpv6 : Family::kIpv4;
    const Seen seen = ns3 ? run_ns3(plan, loss) : run_native(plan, loss);
    std::cout << name << ' ' << seen.guest << ' ' << seen.server << ' ' << seen.held;
    for (const std::string& trouble : seen.troubles) std::cout << ' ' << trouble << ';';
    std::cout << std::endl;
  }
  return std::cin.eof() ? 0 : 1;
}

}  // namespace
}  // namespace dashi::guests

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto loss = dashi::Chance::ppm(static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10)));
  return dashi::guests::play(std::strcmp(argv[1], "ns3") == 0, loss);
}
