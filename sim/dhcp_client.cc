#include "sim/dhcp_client.hh"

#include <algorithm>
#include <bit>

#include "sim/guest_bytes.hh"

namespace dashi {

namespace {

using guest::get32;
using guest::put32;

constexpr size_t kOptionsAt = 240;
constexpr uint32_t kCookie = 0x63825363;
constexpr uint8_t kDiscover = 1;
constexpr uint8_t kOffer = 2;
constexpr uint8_t kRequest = 3;
constexpr uint8_t kAck = 5;
constexpr uint8_t kNak = 6;

void read_option(uint8_t code, Bytes value, uint8_t& type, DhcpRecord& said) {
  if (code == 53 && value.size() == 1) type = value[0];
  if (code == 1 && value.size() == 4) {
    said.prefix_length = static_cast<uint8_t>(std::popcount(get32(value, 0)));
  }
  if (code == 3 && value.size() >= 4) said.router = load<Ipv4Address>(value);
  for (size_t i = 0; code == 6 && i + 4 <= value.size(); i += 4) {
    said.dns.push_back(load<Ipv4Address>(value.subspan(i)));
  }
  if (code == 26 && value.size() == 2) said.mtu = guest::get16(value, 0);
  if (code == 51 && value.size() == 4) said.lease_seconds = get32(value, 0);
  if (code == 54 && value.size() == 4) said.server = load<Ipv4Address>(value);
}

// False where an option overruns.
bool read_options(Bytes options, uint8_t& type, DhcpRecord& said) {
  for (size_t at = 0; at < options.size() && options[at] != 255;) {
    if (options[at] == 0) {
      ++at;
      continue;
    }
    if (at + 1 >= options.size() || at + 2 + options[at + 1] > options.size()) return false;
    const Bytes value = options.subspan(at + 2, options[at + 1]);
    read_option(options[at], value, type, said);
    at += 2 + value.size();
  }
  return true;
}

}  // namespace

DhcpClient::DhcpClient(EventQueue& queue, const Options& options, Send send,
                       std::function<void()> bound)
    : queue_(queue), options_(options), send_(std::move(send)), bound_(std::move(bound)) {}

DhcpClient::~DhcpClient() { queue_.cancel(again_); }

void DhcpClient::start(uint32_t transaction) {
  transaction_ = transaction;
  record_.began = queue_.now();
  say(kDiscover);
  wait();
}

// Whatever was lost, what was last said is said again: ever more slowly, when a few tries were in vain.
void DhcpClient::wait() {
  const int doublings = std::clamp(tries_ - kQuickTries, 0, 10);
  again_ = queue_.schedule_after(kRetry * (1 << doublings), [this] {
    ++tries_;
    say(record_.offered ? kRequest : kDiscover);
    wait();
  });
}

void DhcpClient::say(uint8_t type) {
  std::vector<uint8_t> message(236, 0);
  message[0] = 1;  // BOOTREQUEST
  message[1] = 1;
  message[2] = 6;
  store(MutableBytes(message).subspan(4), Be32{transaction_});
  if (options_.replies_by_broadcast) message[10] = 0x80;
  copy_bytes(MutableBytes(message).subspan(28), options_.mac.bytes);
  put32(message, kCookie);
  const auto put = [&message](uint8_t code, Bytes value) {
    message.push_back(code);
    message.push_back(static_cast<uint8_t>(value.size()));
    message.insert(message.end(), value.begin(), value.end());
  };
  put(53, {&type, 1});
  if (type == kRequest) {
    put(50, record_.address.bytes);
    put(54, record_.server.bytes);
  }
  put(55, std::array<uint8_t, 7>{1, 3, 6, 15, 26, 51, 119});
  message.push_back(255);
  send_(message);
}

bool DhcpClient::receive(Bytes message) {
  if (message.size() < kOptionsAt || message[0] != 2) return true;
  if (get32(message, 4) != transaction_ || record_.bound) return true;
  uint8_t type = 0;
  DhcpRecord said;
  said.began = record_.began;
  said.address = load<Ipv4Address>(message.subspan(16));
  if (!read_options(message.subspan(kOptionsAt), type, said)) return false;
  if (type == kOffer && !record_.offered) {
    record_ = said;
    record_.offered = true;
    say(kRequest);
  } else if (type == kAck && record_.offered) {
    record_ = said;
    record_.offered = record_.bound = true;
    record_.bound_at = queue_.now();
    queue_.cancel(again_);
    bound_();
  } else if (type == kNak) {
    record_.refused = true;
    record_.offered = false;
  }
  return true;
}

}  // namespace dashi
