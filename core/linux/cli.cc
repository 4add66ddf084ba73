#include "core/linux/cli.hh"

#include <fcntl.h>
#include <net/if.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

namespace dashi {
namespace {

constexpr const char* kVersion = "dashi " DASHI_VERSION;

// What the options were given, as text: checked one by one in fill().
struct Words {
  std::vector<std::string> forwards;
  std::vector<std::string> resolvers;
  std::optional<std::string> hostname;
  std::string net;
  std::string net6;
  bool no_ipv6 = false;
  std::string loopback;  // "all", or ports; empty: not given
  std::string udp_filter = "address";
  std::optional<std::string> mtu;
  std::string netns;
  std::string pid;
  std::string socket;
  std::optional<std::string> pcap;
  std::optional<int> ready_fd;
};

[[noreturn]] void refuse(const std::string& text) { throw CLI::ValidationError(text, 2); }

// The library's help, less what says the same twice.
class HelpText : public CLI::Formatter {
 public:
  // A verb's description ends with how it is used.
  std::string make_usage(const CLI::App* app, std::string /*name*/) const override {
    return app->get_parent() == nullptr ? "Usage: dashi VERB [options]\n" : "";
  }
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    std::string out = CLI::Formatter::make_option_name(option, is_positional);
    const size_t value = out.find("{all}");
    return value == std::string::npos ? out : out.replace(value, 5, "[=PORTS]");
  }
  std::string make_footer(const CLI::App* app) const override {
    return app->get_parent() == nullptr ? CLI::Formatter::make_footer(app) : "";
  }
};

void add_common(CLI::App& app, Settings& settings, Words& words) {
  const auto group = [](CLI::Option* option, const char* name) { option->group(name); };
  const char* network = "The guest's network";
  group(app.add_option("--net", words.net, "IPv4 subnet of the guest (10.0.0.0/24)")
            ->type_name("CIDR"),
        network);
  group(app.add_option("--net6", words.net6, "IPv6 prefix of the guest (fd00:da51::/64)")
            ->type_name("PREFIX"),
        network);
  group(app.add_flag("--no-ipv6", words.no_ipv6, "IPv4 only"), network);
  group(
      app.add_option("--mtu", words.mtu, "MTU of the link (1500; up to 65521)")->type_name("BYTES"),
      network);
  group(app.add_option("--dns", words.resolvers,
                       "Resolver to ask, with or without a port (the host's); may be\nrepeated")
            ->option_text("ADDR")
            ->allow_extra_args(false),
        network);
  group(app.add_option("--hostname", words.hostname, "Name the guest is given by DHCP (none)")
            ->type_name("NAME"),
        network);
  const char* reach = "What may be reached";
  group(app.add_option("-p", words.forwards,
                       "Forward a host port: tcp|udp:[ADDR:]HOSTPORT[-END]:GUESTPORT;\n"
                       "ADDR is 127.0.0.1 and [::1] unless given; HOSTPORT 0 picks one\n"
                       "and prints it; may be repeated, up to 512 ports (1024 with ADDR)")
            ->option_text("SPEC")
            ->allow_extra_args(false),
        reach);
  group(app.add_flag("--allow-host-loopback{all}", words.loopback,
                     "The gateway's addresses lead to the host's loopback, on all\n"
                     "ports or on these (80,8000-8010)"),
        reach);
  group(app.add_option("--udp-filter", words.udp_filter,
                       "Who may answer a guest's UDP port: endpoint (anybody), address\n"
                       "(whom it sent to; the default), port (and from that port)")
            ->type_name("KIND"),
        reach);
  const char* running = "Running";
  group(app.add_option("--pcap", words.pcap, "Write both sides of the NAT to a capture (pcapng)")
            ->type_name("FILE"),
        running);
  group(app.add_option("--ready-fd", words.ready_fd,
                       "Write `1` to this descriptor and close it once the network\nworks")
            ->type_name("N"),
        running);
  group(app.add_flag("-v,--verbose", settings.verbose, "Say more"), running);
}

void add_interface(CLI::App& app, Settings& settings, const char* configure_help) {
  app.add_option("--ifname", settings.interface, "Name of the guest's interface (dashi0)")
      ->type_name("NAME")
      ->group("The guest's network");
  app.add_flag("--configure", settings.configure, configure_help)->group("The guest's network");
}

std::string parse_hostname(const std::string& text) {
  GatewayConfig gateway;
  gateway.hostname = text;
  if (text.empty() || !validate(gateway).ok()) refuse("--hostname " + text + ": not a host's name");
  return text;
}

Endpoint parse_resolver(const std::string& text) {
  const auto address = parse_ip(text);
  const auto endpoint = address ? Endpoint{*address, {53}} : parse_endpoint(text);
  const bool usable = endpoint && endpoint->port.number != 0 &&
                      !endpoint->address.is_unspecified() && !endpoint->address.is_multicast();
  if (!usable) refuse("--dns " + text + ": not a server's address");
  return *endpoint;
}

// A network is asked for, not an address in it: bits behind the prefix are more likely a slip than meant.
void check_network(const std::string& option, const std::string& given, const IpAddress& address,
                   uint8_t length) {
  const Bytes raw = address.bytes();
  std::array<uint8_t, 16> network{};
  for (size_t i = 0; i < raw.size(); ++i) {
    const size_t bits = length > i * 8 ? std::min<size_t>(length - i * 8, 8) : 0;
    network[i] = static_cast<uint8_t>(raw[i] & 0xff00 >> bits);
  }
  if (std::equal(raw.begin(), raw.end(), network.begin())) return;
  const IpAddress meant = address.is_v4() ? IpAddress(load<Ipv4Address>(network))
                                          : IpAddress(load<Ipv6Address>(network));
  refuse(option + " " + given + ": not a network: did you mean " + to_string(meant) + "/" +
         std::to_string(length) + "?");
}

void fill_network(const Words& words, Settings& out) {
  out.ipv6 = !words.no_ipv6;
  if (!words.net.empty()) {
    out.net = parse_ipv4_prefix(words.net);
    if (!out.net) refuse("--net " + words.net + ": not an IPv4 subnet such as 10.0.0.0/24");
    check_network("--net", words.net, out.net->address, out.net->length);
    const auto topology = topology_for(*out.net, Topology{});
    if (!topology.ok()) refuse("--net " + words.net + ": " + message_of(topology.error()));
  }
  if (!words.net6.empty()) {
    out.net6 = parse_ipv6_prefix(words.net6);
    if (!out.net6) refuse("--net6 " + words.net6 + ": not an IPv6 prefix such as fd00:da51::/64");
    check_network("--net6", words.net6, out.net6->address, out.net6->length);
  }
  if (words.no_ipv6 && !words.net6.empty()) refuse("--net6 and --no-ipv6 exclude each other");
  if (words.mtu) {
    out.mtu = parse_size(*words.mtu);
    if (!out.mtu) refuse("--mtu " + *words.mtu + ": not a size such as 1500 or 9KiB");
  }
  Topology topology;
  topology.ipv6 = out.ipv6;
  if (out.net6) topology.prefix_v6 = *out.net6;
  if (out.mtu) topology.mtu = *out.mtu;
  const auto valid = validate(topology);
  if (!valid.ok()) refuse(message_of(valid.error()));
  for (const std::string& text : words.resolvers) out.resolvers.push_back(parse_resolver(text));
  if (words.hostname) out.hostname = parse_hostname(*words.hostname);
}

void fill_reach(const Words& words, Settings& out) {
  for (const std::string& text : words.forwards) {
    std::string error;
    const auto forward = parse_forward(text, error);
    if (!forward) refuse(error);
    if (words.no_ipv6 && forward->address && forward->address->is_v6()) {
      refuse("-p " + text + ": the guest has no IPv6 with --no-ipv6");
    }
    out.forwards.push_back(*forward);
  }
  out.policy.host_loopback = !words.loopback.empty();
  if (out.policy.host_loopback && words.loopback != "all") {
    const auto ports = parse_ports(words.loopback);
    if (!ports) refuse("--allow-host-loopback=" + words.loopback + ": not ports");
    out.policy.loopback_ports = *ports;
  }
  const std::map<std::string, UdpFilter> filters = {{"endpoint", UdpFilter::kEndpointIndependent},
                                                    {"address", UdpFilter::kAddressDependent},
                                                    {"port", UdpFilter::kAddressAndPortDependent}};
  const auto filter = filters.find(words.udp_filter);
  if (filter == filters.end()) {
    refuse("--udp-filter " + words.udp_filter + ": not endpoint, address or port");
  }
  out.udp_filter = filter->second;
}

// As the kernel has it (dev_valid_name), and no pattern for it to fill in.
bool is_interface_name(const std::string& name) {
  return !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
         name.find_first_of("/:% \t\n\v\f\r") == std::string::npos;
}

pid_t parse_pid(const std::string& text) {
  pid_t out = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
  if (parsed.ec != std::errc{} || *parsed.ptr != '\0' || out <= 0) {
    refuse("--pid " + text + ": not the number of a process");
  }
  return out;
}

void fill_running(const Words& words, Settings& out) {
  if (!is_interface_name(out.interface)) {
    refuse("--ifname " + out.interface + ": not an interface name");
  }
  if (words.pcap && words.pcap->empty()) refuse("--pcap: no file named");
  out.pcap = words.pcap.value_or("");
  if (!words.ready_fd) return;
  out.ready_fd = *words.ready_fd;
  if (::fcntl(out.ready_fd, F_GETFD) < 0) {
    refuse("--ready-fd " + std::to_string(out.ready_fd) + ": not an open descriptor");
  }
}

void fill_verb(const Words& words, Settings& out) {
  switch (out.verb) {
    case Verb::kRun:
      out.configure = true;
      if (out.command.empty()) refuse("run: no command given: dashi run [options] -- CMD");
      return;
    case Verb::kAttach:
      if (words.netns.empty() == words.pid.empty()) refuse("attach: give --netns or --pid");
      out.netns = words.netns;
      if (!words.pid.empty()) {
        out.netns = "/proc/" + std::to_string(parse_pid(words.pid)) + "/ns/net";
      }
      return;
    case Verb::kQemu: {
      const auto address = parse_stream_address(words.socket);
      if (!address) refuse("qemu " + words.socket + ": not unix:PATH or tcp:ADDR:PORT");
      out.listen = *address;
      return;
    }
  }
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// What follows a bare "--" is the command, word for word.
std::vector<std::string> split_off_command(int count, const char* const* words, Settings& out) {
  std::vector<std::string> options;
  int i = 1;
  for (; i < count && std::string_view(words[i]) != "--"; ++i) {
    options.emplace_back(words[i]);
    // The library takes an empty value for none, and a flag without one for the whole: an unset
    // variable in a script must not open every port.
    if (options.back() == "--allow-host-loopback=") refuse(options.back() + ": no ports named");
  }
  for (++i; i < count; ++i) out.command.emplace_back(words[i]);
  return {options.rbegin(), options.rend()};  // as the library wants them
}

Settings parse(CLI::App& app, int count, const char* const* arguments) {
  Settings settings;
  Words words;
  app.require_subcommand(0, 1);
  app.formatter(std::make_shared<HelpText>());
  app.set_version_flag("--version", kVersion);

  CLI::App* run =
      app.add_subcommand("run",
                         "Run a command in namespaces of its own behind the NAT; needs no root:\n"
                         "Usage: dashi run [options] -- CMD [ARG...]");
  run->prefix_command();
  add_interface(*run, settings, "Implied: addresses and routes are set in the namespace");
  add_common(*run, settings, words);

  CLI::App* attach = app.add_subcommand("attach",
                                        "Be the network of an existing namespace:\n"
                                        "Usage: dashi attach (--netns PATH | --pid PID) [options]");
  attach->add_option("--netns", words.netns, "Network namespace, e.g. /run/netns/NAME")
      ->type_name("PATH");
  attach->add_option("--pid", words.pid, "Network namespace of this process")->type_name("PID");
  add_interface(*attach, settings, "Set addresses and routes, so that no DHCP client is needed");
  add_common(*attach, settings, words);

  CLI::App* qemu =
      app.add_subcommand("qemu",
                         "Be the network of a QEMU guest, which connects by -netdev stream:\n"
                         "Usage: dashi qemu (unix:PATH | tcp:ADDR:PORT) [options]");
  qemu->add_option("socket", words.socket, "Where to listen: unix:PATH or tcp:ADDR:PORT")
      ->required()
      ->option_text(" ");
  add_common(*qemu, settings, words);

  app.parse(split_off_command(count, arguments, settings));
  if (app.get_subcommands().empty()) refuse("no verb given: run, attach or qemu");
  settings.verb = run->parsed() ? Verb::kRun : attach->parsed() ? Verb::kAttach : Verb::kQemu;
  if (run->parsed() && !settings.command.empty() && !run->remaining().empty()) {
    refuse("run: neither an option nor behind the --: " + run->remaining().front());
  }
  if (run->parsed() && settings.command.empty()) {
    settings.command = run->remaining();
    // The library takes what it does not know for the command's beginning.
    if (!settings.command.empty() && settings.command.front().starts_with("-")) {
      refuse("run: no such option: " + settings.command.front());
    }
  }
  if (!run->parsed() && !settings.command.empty()) refuse("only run takes a command");
  fill_network(words, settings);
  fill_reach(words, settings);
  fill_running(words, settings);
  fill_verb(words, settings);
  return settings;
}

}  // namespace

Result<Settings, CliExit> parse_command_line(int count, const char* const* words) {
  CLI::App app(
      "A user-mode NAT: gives a command, a namespace or a VM its network over ordinary "
      "sockets.",
      "dashi");
  app.footer("dashi VERB --help says more.");
  try {
    return parse(app, count, words);
  } catch (const CLI::CallForHelp&) {
    return CliExit{0, app.help()};
  } catch (const CLI::CallForVersion&) {
    return CliExit{0, kVersion};
  } catch (const CLI::ParseError& error) {
    return CliExit{2, "dashi: " + first_line(error.what())};
  }
}

}  // namespace dashi
