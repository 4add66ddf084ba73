// What lies in headers: TCP options and chains of IPv6 extension headers, behind a right frame around
// them. The options are read again here, word by word of the RFCs, and must be read the same; what is
// written of them must be read back. Input: a byte of what it is, then the bytes.
#include "core/wire/describe.hh"
#include "tests/fuzz/failure.hh"
#include "tests/fuzz/fuzz_guest.hh"
#include "tests/support/mend_checksums.hh"

namespace dashi::fuzz {
namespace {

constexpr uint32_t kMtu = 1500;
constexpr size_t kOptionsMax = 40;

// Only what counts: an option that ends where it should, with the length that is its own.
struct Reference {
  bool malformed = false;
  TcpOptions options;
};

uint32_t number(Bytes bytes) {
  uint32_t out = 0;
  for (uint8_t byte : bytes) out = out << 8 | byte;
  return out;
}

Reference read(Bytes bytes) {
  Reference out;
  for (size_t at = 0; at < bytes.size() && bytes[at] != 0;) {
    if (bytes[at] == 1) {
      ++at;
      continue;
    }
    if (at + 1 == bytes.size() || bytes[at + 1] < 2 || at + bytes[at + 1] > bytes.size()) {
      out.malformed = true;
      return out;
    }
    const uint8_t kind = bytes[at];
    const Bytes body = bytes.subspan(at + 2, bytes[at + 1] - 2u);
    if (kind == 2 && body.size() == 2) out.options.mss = static_cast<uint16_t>(number(body));
    if (kind == 3 && body.size() == 1) out.options.window_scale = body[0];
    if (kind == 4 && body.empty()) out.options.sack_permitted = true;
    if (kind == 5 && body.size() % 8 == 0)
      out.options.sack_count = static_cast<uint8_t>(body.size() / 8);
    if (kind == 8 && body.size() == 8) {
      out.options.timestamps = TcpTimestamps{number(body.first(4)), number(body.subspan(4))};
    }
    at += 2 + body.size();
  }
  return out;
}

bool same(const TcpOptions& a, const TcpOptions& b) {
  const bool stamps = a.timestamps.has_value() == b.timestamps.has_value() &&
                      (!a.timestamps || (a.timestamps->value == b.timestamps->value &&
                                         a.timestamps->echo_reply == b.timestamps->echo_reply));
  return stamps && a.mss == b.mss && a.window_scale == b.window_scale &&
         a.sack_permitted == b.sack_permitted && a.sack_count == b.sack_count;
}

void check_views(const Packet& packet) {
  const auto within = [](Bytes part, Bytes whole) {
    return part.empty() || (part.data() >= whole.data() &&
                            part.data() + part.size() <= whole.data() + whole.size());
  };
  expect(within(packet.ip, packet.frame), "the IP packet is not within its frame");
  expect(within(packet.transport, packet.ip), "the transport is not within its IP packet");
  expect(within(packet.payload, packet.transport), "the payload is not within its transport");
}

// A copy that ends where its memory ends.
bool parses(const ByteVector& frame, Packet& packet) {
  const bool ok = parse(frame, Offload{}, kMtu, packet).ok();
  if (ok) check_views(packet);
  (void)describe(frame, Offload{});
  return ok;
}

void try_options(bool v4, Bytes options) {
  test::TcpSpec tcp;
  tcp.source = 40000;
  tcp.destination = 80;
  tcp.flags = kTcpSyn;
  tcp.options.assign(options.begin(), options.end());
  tcp.options.resize((options.size() + 3) / 4 * 4, 0);
  const ByteVector frame = test::tcp_frame(path(v4 ? 0 : 1), tcp, test::pattern(5));
  Packet packet;
  const bool ok = parses(frame, packet);
  const Reference reference = read(tcp.options);
  expect(ok != reference.malformed, "malformed options are taken, or good ones refused");
  if (!ok) return;
  expect(same(packet.tcp.options, reference.options), "options are read as something else");
  std::array<uint8_t, kOptionsMax> written{};
  const size_t size = write_tcp_options(written, packet.tcp.options);
  expect(size % 4 == 0 && size <= kOptionsMax, "options are not written in whole words");
  const auto again = parse_tcp_options(Bytes(written).first(size));
  expect(again.ok(), "what is written of options is malformed");
  // Where all have room, all are there. SACK blocks are cut to what is left.
  TcpOptions wanted = packet.tcp.options;
  wanted.sack_count = again->sack_count;
  expect(same(*again, wanted), "options are written as something else");
}

// A chain of the input's bytes, each header's kind as the input says, and a datagram behind.
void try_extensions(Input& input) {
  test::IpSpec ip = path(1);
  ip.protocol = input.u8();
  ByteVector chain;
  for (uint8_t headers = input.u8() % 12; headers != 0; --headers) {
    const uint8_t next = input.u8();
    const uint8_t units = input.u8() % 4;
    const Bytes body = input.take(6 + units * 8u);
    chain.push_back(next);
    chain.push_back(units);
    test::append(chain, body);
    chain.resize(chain.size() + 6 + units * 8u - body.size(), 0);
  }
  test::IpSpec behind = path(1);
  behind.protocol = 17;
  const ByteVector datagram = test::udp_frame(behind, 5000, 7, test::pattern(9));
  chain.insert(chain.end(), datagram.begin() + 54, datagram.end());
  chain.resize(chain.size() - std::min<size_t>(chain.size(), input.u8() % 24));
  Packet packet;
  parses(test::ethernet_frame(ip, chain), packet);
}

void try_raw(Bytes bytes, bool mended) {
  ByteVector frame(bytes.begin(), bytes.end());
  frame.shrink_to_fit();
  if (mended) test::mend_checksums(frame);
  Packet packet;
  parses(frame, packet);
}

}  // namespace
}  // namespace dashi::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dashi::fuzz;
  Input input({data, size});
  const uint8_t what = input.u8();
  switch (what % 4) {
    case 0:
      try_options((what & 4) != 0, input.take(kOptionsMax));
      break;
    case 1:
      try_extensions(input);
      break;
    default:
      try_raw(input.rest(), what % 4 == 2);
  }
  return 0;
}
