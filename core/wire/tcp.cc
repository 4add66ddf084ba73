#include "core/wire/tcp.hh"

#include <algorithm>

namespace dashi {
namespace {

constexpr uint8_t kEnd = 0;
constexpr uint8_t kNop = 1;
constexpr uint8_t kMss = 2;
constexpr uint8_t kWindowScale = 3;
constexpr uint8_t kSackPermitted = 4;
constexpr uint8_t kSack = 5;
constexpr uint8_t kTimestamps = 8;

uint16_t read_u16(Bytes at) { return load<Be16>(at); }
uint32_t read_u32(Bytes at) { return load<Be32>(at); }

void read_sack(TcpOptions& options, Bytes body) {
  if (body.size() % 8 != 0) return;
  options.sack_count = static_cast<uint8_t>(std::min(body.size() / 8, options.sack.size()));
  for (size_t i = 0; i < options.sack_count; ++i) {
    options.sack[i] = {read_u32(body.subspan(8 * i)), read_u32(body.subspan(8 * i + 4))};
  }
}

// A known option of a wrong length is skipped like an unknown one.
void read_option(TcpOptions& options, uint8_t kind, Bytes body) {
  if (kind == kMss && body.size() == 2) options.mss = read_u16(body);
  if (kind == kWindowScale && body.size() == 1) options.window_scale = body[0];
  if (kind == kSackPermitted && body.empty()) options.sack_permitted = true;
  if (kind == kSack) read_sack(options, body);
  if (kind == kTimestamps && body.size() == 8) {
    options.timestamps = TcpTimestamps{read_u32(body), read_u32(body.subspan(4))};
  }
}

class OptionWriter {
 public:
  explicit OptionWriter(MutableBytes to) : to_(to.first(std::min(to.size(), size_t{40}))) {}

  size_t size() const { return size_; }
  bool room(size_t n) const { return to_.size() - size_ >= n; }
  void u8(uint8_t value) { to_[size_++] = value; }
  void u32(uint32_t value) {
    store(to_.subspan(size_), Be32(value));
    size_ += 4;
  }
  // A 32-bit word of four bytes.
  void word(uint8_t a, uint8_t b, uint8_t c, uint8_t d) { u8(a), u8(b), u8(c), u8(d); }

 private:
  MutableBytes to_;
  size_t size_ = 0;
};

}  // namespace

Result<TcpOptions, DropReason> parse_tcp_options(Bytes options) {
  TcpOptions out;
  while (!options.empty() && options[0] != kEnd) {
    if (options[0] == kNop) {
      options = options.subspan(1);
      continue;
    }
    if (options.size() < 2) return DropReason::kTcpMalformed;
    const size_t length = options[1];
    if (length < 2 || length > options.size()) return DropReason::kTcpMalformed;
    read_option(out, options[0], options.subspan(2, length - 2));
    options = options.subspan(length);
  }
  return out;
}

size_t write_tcp_options(MutableBytes to, const TcpOptions& options) {
  OptionWriter out(to);
  bool sack_permitted_due = options.sack_permitted;
  if (options.mss && out.room(4)) {
    out.word(kMss, 4, static_cast<uint8_t>(*options.mss >> 8), static_cast<uint8_t>(*options.mss));
  }
  if (options.timestamps && out.room(12)) {
    // Sack-permitted takes the place of the padding, as Linux has it.
    const bool merged = sack_permitted_due;
    out.word(merged ? kSackPermitted : kNop, merged ? 2 : kNop, kTimestamps, 10);
    out.u32(options.timestamps->value);
    out.u32(options.timestamps->echo_reply);
    sack_permitted_due = false;
  }
  if (sack_permitted_due && out.room(4)) out.word(kNop, kNop, kSackPermitted, 2);
  if (options.window_scale && out.room(4)) out.word(kNop, kWindowScale, 3, *options.window_scale);
  if (options.sack_count != 0 && out.room(12)) {
    const size_t wanted = std::min<size_t>(options.sack_count, options.sack.size());
    size_t blocks = 1;
    while (blocks < wanted && out.room(4 + 8 * (blocks + 1))) ++blocks;
    out.word(kNop, kNop, kSack, static_cast<uint8_t>(2 + 8 * blocks));
    for (size_t i = 0; i < blocks; ++i) {
      out.u32(options.sack[i].left);
      out.u32(options.sack[i].right);
    }
  }
  return out.size();
}

}  // namespace dashi
