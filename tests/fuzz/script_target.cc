// The .pkt language: text that is anything but a script is refused with a place that is in it, and what
// is a script can be set up. It is not run: what a script may ask for has no end. Input: the text.
#include <string_view>

#include "sim/script/code.hh"
#include "sim/script/parser.hh"
#include "sim/script/setting.hh"
#include "sim/script/shell.hh"
#include "tests/fuzz/failure.hh"

namespace {

using namespace dashi::script;
using dashi::fuzz::expect;

void set_up(const Script& script) {
  for (const bool packetdrill : {false, true}) {
    RunOptions options;
    options.packetdrill = packetdrill;
    options.family = packetdrill ? dashi::Family::kIpv6 : dashi::Family::kIpv4;
    const auto setting = setting_of(script, options);
    if (setting.ok()) expect(validate(setting->world.nat).ok(), "a script sets up no valid Nat");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto lines = static_cast<uint32_t>(1 + std::count(text.begin(), text.end(), '\n'));
  const auto first = parse(text);
  const auto second = parse(text);
  expect(first.ok() == second.ok(), "a text is a script once and once not");
  if (first.ok()) {
    expect(first->events.size() == second->events.size(), "a text is two scripts");
    set_up(*first);
  } else {
    const Where where = first.error().where;
    expect(where.line >= 1 && where.line <= lines && where.column >= 1,
           "an error outside the text");
    expect(first.error().message == second.error().message, "a text is wrong in two ways");
  }
  ShellReading reading;
  read_shell(text, nullptr, reading);
  Code code;
  (void)code.run(text, [](const std::string& name) {
    return name.size() % 2 == 0 ? std::optional<int64_t>(static_cast<int64_t>(name.size()))
                                : std::nullopt;
  });
  return 0;
}
