#include "sim/script/retelling.hh"

#include <algorithm>

#include "sim/script/host_faults.hh"

namespace dashi::script {
namespace {

using Kind = FaultDecision::Kind;
using Move = FarEndMove::Kind;

constexpr uint8_t kSyn = 2;
constexpr uint8_t kAck = 16;
constexpr uint16_t kDnsPort = 53;
constexpr uint32_t kNearTheWrap = 0u - (1u << 20);

std::string quoted(Bytes bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "\"";
  for (const uint8_t byte : bytes) {
    const bool plain = byte >= ' ' && byte < 127 && byte != '"' && byte != '\\';
    if (plain)
      text += static_cast<char>(byte);
    else
      text += std::string("\\x") + kDigits[byte >> 4] + kDigits[byte & 15];
  }
  return text + "\"";
}

// What damage a script's `corrupt` and `cut` can do.
std::string damage_of(const FrameFate& fate) {
  if (fate.truncate_to.has_value()) return " cut " + std::to_string(*fate.truncate_to);
  if (!fate.damages()) return "";
  const uint64_t byte = fate.flip_bit.has_value() ? *fate.flip_bit / 8 : 1;
  return byte < 2 ? " corrupt" : " corrupt " + std::to_string(byte);
}

}  // namespace

bool says_broken(const std::string& line) {
  return line.compare(0, 3, "// ") == 0 && line.find(kBrokenHere) == 3;
}

std::string seconds_of(Duration time) {
  const int64_t ns = time.count();
  std::string fraction = std::to_string(1'000'000'000 + ns % 1'000'000'000).substr(1);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  std::string text = std::to_string(ns / 1'000'000'000);
  if (fraction.empty()) return text;
  if (text == "0") text.clear();
  return text.append(".").append(fraction);
}

Retelling::Retelling(World& world) : world_(world) {
  world.link().set_watcher([this](const GuestFrame& frame, const Delivery* delivery) {
    if (delivery != nullptr)
      guest_frame(frame, *delivery);
    else
      nat_frame(frame);
  });
  world.net().set_watcher([this](const FarEndMove& move) { far_end(move); });
  world.sockets().faults().set_watcher(
      [this](SocketCall call, const FaultDecision& decision) { failure(call, decision); });
  world.driver().set_late_watcher([this](Instant since) { late_turn(since, world_.now()); });
}

Retelling::~Retelling() {
  world_.link().set_watcher(nullptr);
  world_.net().set_watcher(nullptr);
  world_.sockets().faults().set_watcher(nullptr);
  world_.driver().set_late_watcher(nullptr);
}

void Retelling::add(const Line& line) {
  if (!broken_before_ && !world_.violations().empty()) broken_before_ = lines_.size();
  lines_.push_back(line);
  lines_.back().event = world_.queue().events_run();
  lines_.back().turn = world_.driver().turns();
}

void Retelling::command(Instant at, const std::string& words) {
  const Line line{at, true, "", "", "", words, ""};
  const auto later =
      std::find_if(lines_.begin(), lines_.end(), [at](const Line& other) { return other.at > at; });
  lines_.insert(later, line);
}

// --- Packets ---

std::optional<SeenPacket> Retelling::told_of(const GuestFrame& frame) {
  const HeardFrame heard{world_.now(), {frame.bytes.begin(), frame.bytes.end()}, frame.offload};
  auto seen = see(heard);
  auto* packet = std::get_if<SeenPacket>(&seen);
  if (packet == nullptr) return ++others_, std::nullopt;
  const auto* icmp = std::get_if<IcmpSpec>(&packet->transport);
  const bool tcp = std::holds_alternative<TcpSpec>(packet->transport);
  const Ends guests{packet->ends.to, packet->ends.from};
  if (tcp ||
      (icmp != nullptr && icmp->about.has_value() && flows_.count({guests.from, guests.to}) != 0)) {
    if (!family_) family_ = packet->ends.from.address.family();
    return *packet;
  }
  // What finds neighbours and gives addresses is of no flow.
  if (std::holds_alternative<UdpSpec>(packet->transport) || icmp != nullptr) ++others_;
  return std::nullopt;
}

Retelling::Flow& Retelling::flow_of(const Ends& guests) { return flows_[{guests.from, guests.to}]; }

// guest:49152 > server:1000. Places are of the script's family: packets of the other have addresses.
std::string Retelling::ends_of(const Ends& ends) const {
  if (ends.from.address.family() != *family_) {
    return (ends.from.address.is_v6() ? "from " : "") + to_string(ends.from) + " > " +
           to_string(ends.to) + " ";
  }
  const NetSpec& net = world_.config().net;
  const auto place = [&](const Endpoint& end) {
    const std::vector<IpAddress>& servers = net.hosts[0].addresses;
    const bool server = std::find(servers.begin(), servers.end(), end.address) != servers.end();
    const bool gateway = world_.config().nat.topology.is_gateway(end.address);
    const bool on_link = world_.config().nat.topology.is_on_link(end.address);
    const char* name = server ? "server" : gateway ? "gateway" : on_link ? "guest" : nullptr;
    if (name == nullptr) return to_string(end);
    return std::string(name) + ":" + std::to_string(end.port.number);
  };
  return place(ends.from) + " > " + place(ends.to) + " ";
}

void Retelling::guest_frame(const GuestFrame& frame, const Delivery& delivery) {
  const std::optional<SeenPacket> seen = told_of(frame);
  if (seen) write_guest(*seen, delivery);
}

void Retelling::write_guest(const SeenPacket& seen, const Delivery& delivery) {
  TransportSpec transport = seen.transport;
  auto* tcp = std::get_if<TcpSpec>(&transport);
  if (tcp == nullptr) return void(++others_);
  Flow& flow = flow_of(seen.ends);
  const bool syn = (tcp->flags & (kSyn | kAck)) == kSyn;
  // Near their end numbers stay as they are, for what happens there.
  const bool wraps = tcp->begin >= kNearTheWrap;
  if ((tcp->flags & kSyn) != 0) flow.guest_base = wraps ? 0 : tcp->begin;
  if (syn) flow.nat_base.reset();
  const std::vector<IpAddress>& servers = world_.config().net.hosts[0].addresses;
  const bool called =
      std::find(servers.begin(), servers.end(), seen.ends.to.address) != servers.end();
  if (syn && called) listen(seen.ends.to.port);
  tcp->begin -= flow.guest_base;
  const uint32_t base = flow.nat_base.value_or(0);
  if (tcp->ack) *tcp->ack -= base;
  for (TcpOption& option : tcp->options) {
    for (auto& [left, right] : option.blocks) left -= base, right -= base;
    const bool echoes = option.kind == TcpOption::Kind::kTimestamps && (tcp->flags & kAck) != 0;
    if (echoes) option.echo -= flow.nat_time_base.value_or(0);
  }
  Line line{seen.at, true, "< ", ends_of(seen.ends), "", written(transport), ""};
  if (seen.ends.to.port.number == kDnsPort && !seen.payload.empty()) {
    line.rest += " " + quoted(seen.payload);
  }
  if (seen.offload.gso_size != 0) line.rest += " segment " + std::to_string(seen.offload.gso_size);
  const FrameFate& fate = delivery.fate;
  line.rest += delivery.lost ? " drop" : damage_of(fate);
  if ((tcp->flags & kSyn) != 0 && wraps) line.comment = "numbers that soon wrap";
  if (fate.delay != Duration{} || fate.hold != 0) line.comment = "late";
  if (fate.duplicated) line.comment = delivery.last ? "once more" : "comes twice";
  add(line);
}

void Retelling::nat_frame(const GuestFrame& frame) {
  const uint64_t ordinal = sent_++;
  const std::optional<SeenPacket> seen = told_of(frame);
  if (seen) write_nat(*seen, ordinal);
}

void Retelling::write_nat(const SeenPacket& seen, uint64_t ordinal) {
  TransportSpec transport = seen.transport;
  if (auto* tcp = std::get_if<TcpSpec>(&transport)) {
    Flow& flow = flow_of({seen.ends.to, seen.ends.from});
    if ((tcp->flags & kSyn) != 0) {
      flow.nat_base = tcp->begin;
      flow.nat_time_base.reset();
    }
    tcp->begin -= flow.nat_base.value_or(0);
    if (tcp->ack) *tcp->ack -= flow.guest_base;
    for (TcpOption& option : tcp->options) {
      for (auto& [left, right] : option.blocks) left -= flow.guest_base, right -= flow.guest_base;
      if (option.kind != TcpOption::Kind::kTimestamps) continue;
      if (!flow.nat_time_base) flow.nat_time_base = option.value;
      option.value -= *flow.nat_time_base;
    }
  }
  add({seen.at, false, "> ", ends_of(seen.ends), "", written(transport) + mishaps_of(ordinal), ""});
}

// What becomes of a frame on its way to the guest.
std::string Retelling::mishaps_of(uint64_t ordinal) const {
  std::string text;
  if (!world_.faults().replays()) return text;
  for (const FaultDecision& decision : world_.faults().given_for(SimLink::kDownStream, ordinal)) {
    const Duration time(static_cast<int64_t>(decision.argument));
    if (decision.kind == Kind::kLose || decision.kind == Kind::kBlackout) text += " drop";
    if (decision.kind == Kind::kDuplicate) text += " dup";
    if (decision.kind == Kind::kDelay) text += " delay " + seconds_of(time) + "s";
    if (decision.kind >= Kind::kFlipBit && decision.kind <= Kind::kTruncate) text += " corrupt";
  }
  return text;
}

// --- The host's side ---

// A server is there before the first call to its port.
void Retelling::listen(Port port) {
  if (listeners_.count(port) != 0 || !world_.apps().listens(1, {IpAddress{}, port})) return;
  listeners_[port] = next_descriptor_;
  const std::string fd = std::to_string(next_descriptor_++);
  const Instant now = lines_.empty() ? Instant{} : lines_.back().at;
  add({now, false, "", "", "", "socket(..., SOCK_STREAM, IPPROTO_TCP) = " + fd, ""});
  add({now, false, "bind(" + fd + ", ",
       "{sa_family=AF_INET, sin_port=htons(" + std::to_string(port.number) + ")}", "...",
       ", ...) = 0", ""});
  add({now, false, "", "", "", "listen(" + fd + ", 100) = 0", ""});
}

void Retelling::failure(SocketCall call, const FaultDecision& decision) {
  const std::string words = words_of(call, decision);
  if (words.empty()) return;
  // Before what makes the Nat call: a move of the far end's, or frames that came together.
  auto at = lines_.end();
  for (auto line = lines_.end(); line != lines_.begin() && (line - 1)->at == world_.now();) {
    --line;
    const bool of_frames = at != lines_.end();
    if (of_frames && line->begin != "< ") break;
    if (line->moves) at = line;
    if (line->moves && line->begin.empty()) break;
  }
  // Nothing of this instant does: then it is what was on its way, and just before it is soon enough.
  const Instant last = lines_.empty() ? Instant{} : lines_.back().at;
  const bool on_its_way = at == lines_.end();
  const Instant when = on_its_way ? std::max(last, world_.now() - Duration(1)) : world_.now();
  lines_.insert(at, {when, false, "", "", "", "fail " + words, ""});
}

// Busy from just before what came first: a command sees to it that what came before it is told of.
void Retelling::late_turn(Instant since, Instant until) {
  auto at = lines_.end();
  while (at != lines_.begin() && (at - 1)->at >= since) --at;
  const Instant last = at == lines_.begin() ? Instant{} : (at - 1)->at;
  const Instant when = std::max(last, since - Duration(1));
  const std::string busy = seconds_of(until - when);
  lines_.insert(at, {when, false, "", "", "", "nat busy " + busy, ""});
}

void Retelling::call(const Descriptor& descriptor, const char* name, const std::string& arguments) {
  const std::string number = std::to_string(descriptor.number);
  add({world_.now(), true, "", "", "", std::string(name) + "(" + number + arguments + ") = 0", ""});
}

// read and write of so many bytes; one that follows another in one go is the same, but for a path of a
// rate: what is cut there begins anew with every write.
void Retelling::counted_call(const Descriptor& descriptor, const char* name, size_t bytes) {
  const std::string begin = std::string(name) + "(" + std::to_string(descriptor.number) + ", ..., ";
  const bool apart = world_.config().net.hosts[0].path.rate_bps != 0;
  if (!apart && !lines_.empty() && lines_.back().event == world_.queue().events_run()) {
    const std::string& last = lines_.back().rest;
    if (last.compare(0, begin.size(), begin) == 0) {
      bytes += std::stoull(last.substr(begin.size()));
      lines_.pop_back();
    }
  }
  const std::string n = std::to_string(bytes);
  add({world_.now(), true, "", "", "", begin + n + ") = " + n, ""});
}

void Retelling::far_end(const FarEndMove& move) {
  const std::pair<uint32_t, uint32_t> name{move.id.slot, move.id.generation};
  SimConnection& connection = *world_.net().find(move.id);
  if (move.kind == Move::kCalls) {
    const uint32_t number = next_descriptor_++;
    descriptors_[name] = {number};
    const std::string fd = std::to_string(number);
    const std::string port = std::to_string(connection.end(dashi::Side::kHere).address.port.number);
    const Instant now = world_.now();
    add({now, true, "", "", "", "socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = " + fd, ""});
    add({now, true, "", "", "",
         "connect(" + fd + ", {sa_family=AF_INET, sin_port=htons(" + port +
             ")}, ...) = -1 EINPROGRESS (it takes a while)",
         ""});
    return;
  }
  if (move.kind == Move::kAccepts) {
    const Port port = connection.end(dashi::Side::kThere).address.port;
    const auto listener = listeners_.find(port);
    elsewhere_ = elsewhere_ || connection.host != 1;
    if (listener == listeners_.end()) return;
    descriptors_[name] = {next_descriptor_};
    add({world_.now(), true, "", "", "",
         "accept(" + std::to_string(listener->second) +
             ", ..., ...) = " + std::to_string(next_descriptor_++),
         ""});
    return;
  }
  const auto found = descriptors_.find(name);
  if (found == descriptors_.end() || found->second.gone) return;
  Descriptor& descriptor = found->second;
  if (move.kind == Move::kWrites) counted_call(descriptor, "write", move.bytes);
  if (move.kind == Move::kReads) counted_call(descriptor, "read", move.bytes);
  if (move.kind == Move::kFinishes) call(descriptor, "shutdown", ", SHUT_WR");
  if (move.kind == Move::kAborts) {
    call(descriptor, "setsockopt", ", SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8");
  }
  if (move.kind == Move::kLetsGo || move.kind == Move::kAborts) {
    call(descriptor, "close", "");
    descriptor.gone = true;
  }
}

// --- The script ---

bool Retelling::several() const { return flows_.size() != 1; }

std::string Retelling::opening() const {
  std::string text;
  const std::vector<Forward>& forwards = world_.config().forwards;
  for (const Forward& forward : forwards) {
    if (forward.protocol != ForwardProtocol::kTcp) continue;
    text += "+0 forward add tcp:" + std::to_string(forward.host.port.number) + ":" +
            std::to_string(forward.guest_port.number) + "\n";
  }
  return text;
}

std::string Retelling::script(const std::string& broken, Instant end) {
  const std::optional<Instant> waiting = world_.driver().waiting_since();
  if (waiting && *waiting < end) late_turn(*waiting, world_.driver().next_turn());
  std::string text;
  for (const std::string& line : untold()) text += "// Not told here: " + line + "\n";
  text += options() + opening();
  const std::string mark = std::string("// ") + kBrokenHere + ": " + broken + "\n";
  Instant last{};
  for (size_t i = 0; i < lines_.size(); ++i) {
    const Line& line = lines_[i];
    if (broken_before_ == i) text += mark;
    const bool together = i != 0 && line.is_call() && lines_[i - 1].is_call() &&
                          line.turn == lines_[i - 1].turn && line.at == last;
    text += (together ? "and" : "+" + seconds_of(line.at - last)) + " " + line.begin;
    const bool gateway = line.ends.find("gateway") != std::string::npos;
    text += several() || gateway ? line.ends : line.alone;
    text += line.rest + (line.comment.empty() ? "" : "  // " + line.comment) + "\n";
    last = line.at;
  }
  if (end > last) {
    // What broke ended the run in the midst of that instant.
    const bool ended = !world_.violations().empty();
    text += "+" + seconds_of(end - last) + (ended ? " > anything\n" : " > nothing\n");
  }
  if (!broken.empty() && broken_before_.value_or(lines_.size()) >= lines_.size()) text += mark;
  return text;
}

}  // namespace dashi::script
