// The `dashi` program: puts a guest link, sockets and a Nat together as the command line asks, and
// drives them. Usage errors exit 2, run-time errors 1, one line each on stderr.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>

#include "core/linux/cli.hh"
#include "core/linux/config_for.hh"
#include "core/linux/driver.hh"
#include "core/linux/janitor.hh"
#include "core/linux/log.hh"
#include "core/linux/netns.hh"
#include "core/linux/open_forwards.hh"
#include "core/linux/os_entropy.hh"
#include "core/linux/privileges.hh"
#include "core/linux/tail_trace.hh"
#include "pcap/write/file_sink.hh"

namespace dashi {
namespace {

using Outcome = Result<Done, SystemError>;

const std::string kResolvConf = "/etc/resolv.conf";

// The guest's end, whichever verb made it. One of the two links.
struct GuestSide {
  std::unique_ptr<Tap> tap;
  std::unique_ptr<StreamLink> stream;
  std::unique_ptr<Command> command;
  std::unique_ptr<NamespaceWatch> watch;  // attach

  GuestLink& link() { return tap ? static_cast<GuestLink&>(*tap) : *stream; }
};

Result<GuestSide, SystemError> make_guest_side(const Settings& settings, const Config& config) {
  GuestNetwork network;
  network.interface = settings.interface;
  network.topology = config.topology;
  network.configure = settings.configure;
  network.ipv6_default_route = config.gateway.host_has_ipv6_route;
  GuestSide out;
  Fd tap;
  if (settings.verb == Verb::kQemu) {
    auto stream = StreamLink::listen(settings.listen, config.topology.mtu);
    if (!stream.ok()) return stream.error();
    out.stream = std::move(stream.value());
    return out;
  }
  if (settings.verb == Verb::kAttach) {
    auto watch = NamespaceWatch::of(settings.netns);
    if (!watch.ok()) return watch.error();
    out.watch = std::make_unique<NamespaceWatch>(std::move(watch.value()));
    auto made = make_guest_network_in(settings.netns, network);
    if (!made.ok()) return made.error();
    tap = std::move(made.value());
  } else {
    auto command = Command::prepare(settings.command, network, guest_resolv_conf(config));
    if (!command.ok()) return command.error();
    out.command = std::make_unique<Command>(std::move(command.value()));
    tap = out.command->take_tap();
  }
  out.tap = std::make_unique<Tap>(std::move(tap), config.topology.mtu);
  return out;
}

Outcome add_forwards(Nat& nat, const Settings& settings, const Config& config) {
  const auto opened =
      open_forwards(clock_now(), nat, config.limits, plan_forwards(settings, config));
  if (!opened.ok()) return opened.error();
  for (const OpenedForward& forward : opened.value()) {
    if (!forward.chosen) continue;
    std::printf("%s:%s:%u\n", forward.protocol == ForwardProtocol::kTcp ? "tcp" : "udp",
                to_string(forward.host).c_str(), unsigned{forward.guest_port.number});
  }
  std::fflush(stdout);
  return Done{};
}

// Number 0, 1 or 2 would be the next socket's, and get what is meant for people. A command does not see
// what takes their place.
void fill_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) [[maybe_unused]]
      const int lowest = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  }
}

void tell_ready(int fd) {
  if (fd < 0) return;
  if (::write(fd, "1", 1) != 1) log_warning("nobody reads --ready-fd");
  ::close(fd);
  fill_standard_descriptors();
}

// What stays open while a capture is written.
struct Recording {
  std::unique_ptr<FileSink> file;
  std::unique_ptr<PcapngWriter> writer;
  std::unique_ptr<Capture> capture;
};

Result<Recording, SystemError> start_recording(const std::string& path, const Env& env) {
  Recording out;
  if (path.empty()) return out;
  auto file = FileSink::create(path);
  if (!file.ok()) return SystemError{file.error(), 0};
  out.file = std::move(file.value());
  timespec wall{};
  ::clock_gettime(CLOCK_REALTIME, &wall);
  PcapngHeader header;
  header.application = "dashi " DASHI_VERSION;
  header.unix_ns_at_zero =
      int64_t{wall.tv_sec} * 1'000'000'000 + wall.tv_nsec - nanoseconds(clock_now());
  out.writer = std::make_unique<PcapngWriter>(*out.file, header);
  out.capture = std::make_unique<Capture>(*out.writer, env);
  return out;
}

// False, and said, if the capture is not whole.
bool finish_recording(Recording& recording) {
  if (!recording.file) return true;
  recording.capture->flush();
  recording.file->flush();
  if (recording.file->error().empty()) return true;
  log_error(recording.file->error());
  return false;
}

// What is to go with us, but not ours to remove once we gave up being root.
std::vector<std::string> paths_to_clean(const Settings& settings, const Config& config) {
  if (::geteuid() != 0) return {};
  if (settings.verb == Verb::kQemu && !settings.listen.path.empty()) return {settings.listen.path};
  const auto name = netns_name(settings.netns);
  if (!name) return {};
  return write_netns_resolv_conf(*name, guest_resolv_conf(config));
}

// Says what people and scripts wait for, and lets the command go. Its status if it cannot.
int announce(const Settings& settings, const Config& config, GuestSide& guest) {
  if (settings.verb == Verb::kAttach) {
    std::fputs(guest_resolv_conf(config).c_str(), stdout);
    std::fflush(stdout);
  }
  if (settings.verb == Verb::kQemu) log_info("listening on " + to_string(settings.listen));
  tell_ready(settings.ready_fd);
  if (!guest.command) return 0;
  const int error = guest.command->start();
  if (error == 0) return 0;
  log_error(SystemError{settings.command.front(), error}.text());
  return error == ENOENT ? 127 : 126;
}

Result<int, SystemError> drive(const Settings& settings) {
  const ResolvConf host = read_resolv_conf(kResolvConf);
  // Before anything is opened; the command is made with the limit as it was.
  auto made = config_for(settings, host, descriptor_limit());
  if (!made.ok()) return made.error();
  for (const std::string& note : made->notes) log_info(note);
  const Config& config = made->config;
  if (settings.resolvers.empty()) {
    for (const std::string& line : host.left_out) log_warning(line);
  }
  if (config.dns.resolvers.empty())
    log_warning("the host has no resolver: names will not be found");

  // The command would keep it open.
  if (settings.ready_fd > STDERR_FILENO) ::fcntl(settings.ready_fd, F_SETFD, FD_CLOEXEC);
  auto guest = make_guest_side(settings, config);
  if (!guest.ok()) return guest.error();
  raise_descriptor_limit();
  const Fd signals = open_signals();
  OsEntropy entropy;
  TailTrace trace;
  const bool force_ring = std::getenv("DASHI_TEST_PEEK_RING") != nullptr;
  const TcpConfig& tcp = config.tcp;
  const auto sockets = LinuxSockets::create(
      {.force_ring = force_ring,
       .echo_id_base = static_cast<uint16_t>(entropy.next_u64()),
       .keep_alive = {tcp.keep_alive_idle, tcp.keep_alive_interval, tcp.keep_alive_probes}});
  if (!sockets || !signals) return last_error("cannot make the event loop");
  auto recording = start_recording(settings.pcap, {guest->link(), *sockets, entropy, trace});
  if (!recording.ok()) return recording.error();
  const Env env =
      recording->capture ? recording->capture->env() : Env{guest->link(), *sockets, entropy, trace};
  Nat nat(config, env);
  const FailedCheckReport report(trace, nat);
  const Outcome forwarded = add_forwards(nat, settings, config);
  if (!forwarded.ok()) return forwarded.error();

  const Janitor janitor(paths_to_clean(settings, config));
  Driver::Parts parts{nat, *sockets, guest->tap.get()};
  if (guest->stream) parts.link = guest->stream.get();
  parts.capture = recording->capture.get();
  parts.command = guest->command.get();
  parts.guest = guest->watch.get();
  parts.resolv_conf = settings.resolvers.empty() ? &kResolvConf : nullptr;
  parts.resolvers = config.dns.resolvers;
  parts.signals = signals.get();
  parts.linger = tcp.linger;
  Driver driver(parts);
  if (!drop_privileges(guest->command != nullptr)) return last_error("cannot give up privileges");
  const int failed = announce(settings, config, guest.value());
  const int status = failed != 0 ? failed : driver.run();
  return finish_recording(recording.value()) || guest->command ? status : 1;
}

int run_program(int count, char** words) {
  const auto settings = parse_command_line(count, words);
  if (!settings.ok()) {
    const CliExit& exit = settings.error();
    std::fprintf(exit.status == 0 ? stdout : stderr, "%s\n", exit.text.c_str());
    return exit.status;
  }
  log_verbosely(settings->verbose);
  const auto status = drive(settings.value());
  if (status.ok()) return status.value();
  log_error(status.error().text());
  return 1;
}

}  // namespace
}  // namespace dashi

// What a library throws (no memory, say) ends here.
int main(int count, char** words) {
  dashi::fill_standard_descriptors();
  try {
    return dashi::run_program(count, words);
  } catch (const std::exception& error) {
    (void)std::fprintf(stderr, "dashi: error: %s\n", error.what());
    return 1;
  }
}
