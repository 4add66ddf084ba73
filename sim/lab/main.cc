// dashi-lab: worlds on the command line. Only what --help lists exists. Usage errors exit 2, run-time
// errors 1, one line each on stderr.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "sim/lab/pkt.hh"
#include "sim/lab/shrink.hh"
#include "sim/lab/swarm.hh"
#include "sim/named_worlds.hh"

namespace {

using dashi::NamedWorld;

constexpr const char* kUsage =
    "usage: dashi-lab VERB\n"
    "\n"
    "  worlds            list the named worlds\n"
    "  digest [NAME...]  run named worlds (all, without a name) and print for each its name,\n"
    "                    its digest and the number of events in it\n";
constexpr const char* kHelpUsage = "  --help            this text\n";

void print_usage(std::FILE* to) {
  std::fprintf(to, "%s%s%s%s%s", kUsage, dashi::lab::kPktUsage, dashi::lab::kSwarmUsage,
               dashi::lab::kShrinkUsage, kHelpUsage);
}

int usage_error(const char* message, std::string_view what) {
  std::fprintf(stderr, "dashi-lab: %s: %.*s (try --help)\n", message, static_cast<int>(what.size()),
               what.data());
  return 2;
}

bool is_help(std::string_view word) { return word == "--help" || word == "-h"; }

int list_worlds() {
  for (const NamedWorld& world : dashi::named_worlds()) {
    std::printf("%-14s %s\n", world.name, world.about);
  }
  return 0;
}

void print_digest(const NamedWorld& world) {
  const dashi::Digest digest = dashi::run_named(world, dashi::DigestOptions{});
  std::printf("%s %s %llu\n", world.name, dashi::to_string(digest.value()).c_str(),
              static_cast<unsigned long long>(digest.events()));
}

int print_digests(int count, char** names) {
  for (int i = 0; i < count; ++i) {  // all names are looked at before anything runs
    if (dashi::find_named_world(names[i]) == nullptr) return usage_error("no such world", names[i]);
  }
  if (count == 0) {
    for (const NamedWorld& world : dashi::named_worlds()) print_digest(world);
  }
  for (int i = 0; i < count; ++i) print_digest(*dashi::find_named_world(names[i]));
  return 0;
}

int run(int argc, char** argv) {
  if (argc < 2) return usage_error("no verb", "worlds, digest, pkt, swarm or shrink");
  const std::string_view verb = argv[1];
  if (is_help(verb) || (argc > 2 && is_help(argv[2]))) {
    print_usage(stdout);
    return 0;
  }
  if (verb == "digest") return print_digests(argc - 2, argv + 2);
  if (verb == "pkt") return dashi::lab::run_pkt(argc - 2, argv + 2);
  if (verb == "swarm") return dashi::lab::run_swarm(argc - 2, argv + 2);
  if (verb == "shrink") return dashi::lab::run_shrink(argc - 2, argv + 2);
  if (verb == "worlds" && argc > 2) return usage_error("unexpected argument", argv[2]);
  if (verb == "worlds") return list_worlds();
  return usage_error("unknown verb", verb);
}

}  // namespace

int main(int argc, char** argv) {
  const int status = run(argc, argv);
  // What nobody could read was not done: a full disk, say.
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  std::fprintf(stderr, "dashi-lab: standard output: %s\n", std::strerror(errno));
  return status != 0 ? status : 1;
}
