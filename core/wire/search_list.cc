#include "core/wire/search_list.hh"

#include <array>

namespace dashi {
namespace {

constexpr size_t kMaxLabel = 63;
constexpr size_t kMaxName = 255;  // encoded
constexpr uint8_t kPointer = 0xc0;
constexpr size_t kMaxPointer = 0x3fff;

std::string_view without_final_dot(std::string_view name) {
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  return name;
}

std::string_view first_label(std::string_view name) { return name.substr(0, name.find('.')); }

// What follows the first label and its dot; empty after the last.
std::string_view after_label(std::string_view name) {
  const size_t dot = name.find('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(dot + 1);
}

// Whether the encoded name at `at`, in a list we wrote ourselves, spells `name`.
bool spells(Bytes list, size_t at, std::string_view name) {
  for (;;) {
    const uint8_t length = list[at];
    if ((length & kPointer) == kPointer) {
      at = static_cast<size_t>(length & ~kPointer) << 8 | list[at + 1];
      continue;
    }
    if (length == 0 || name.empty()) return length == 0 && name.empty();
    const std::string_view label = first_label(name);
    if (label.size() != length) return false;
    if (std::memcmp(&list[at + 1], label.data(), length) != 0) return false;
    name = after_label(name);
    at += size_t{1} + length;
  }
}

class Encoder {
 public:
  Encoder(MutableBytes to, bool compress) : to_(to), compress_(compress) {}

  // Writes the whole name or nothing.
  void add(std::string_view name) {
    if (!is_domain_name(name)) return;
    const size_t begin = size_;
    const size_t labels = labels_.size();
    if (put(without_final_dot(name))) return;
    size_ = begin;
    labels_.resize(labels);
  }
  size_t size() const { return size_; }

 private:
  bool put(std::string_view name) {
    const size_t known = labels_.size();  // a name does not point into itself
    for (; !name.empty(); name = after_label(name)) {
      if (put_pointer(name, known)) return true;
      const std::string_view label = first_label(name);
      if (to_.size() - size_ < label.size() + 2) return false;  // the final zero as well
      if (compress_ && size_ <= kMaxPointer) labels_.push_back(size_);
      to_[size_++] = static_cast<uint8_t>(label.size());
      std::memcpy(&to_[size_], label.data(), label.size());
      size_ += label.size();
    }
    to_[size_++] = 0;
    return true;
  }

  bool put_pointer(std::string_view suffix, size_t known) {
    if (to_.size() - size_ < 2) return false;
    for (size_t i = 0; i < known; ++i) {
      if (!spells(to_, labels_[i], suffix)) continue;
      store(to_.subspan(size_), Be16(static_cast<uint16_t>(kPointer << 8 | labels_[i])));
      size_ += 2;
      return true;
    }
    return false;
  }

  MutableBytes to_;
  bool compress_;
  size_t size_ = 0;
  std::vector<size_t> labels_;  // where the labels of finished and current names begin
};

size_t encode(std::span<const std::string> names, MutableBytes to, bool compress) {
  Encoder encoder(to, compress);
  for (const std::string& name : names) encoder.add(name);
  return encoder.size();
}

// The name at `at`, which moves behind it.
std::optional<std::string> decode_name(Bytes list, size_t& at) {
  std::string name;
  size_t encoded = 1;
  size_t position = at;
  size_t limit = at;  // a pointer leads before the name it was found in
  bool jumped = false;
  for (;;) {
    if (position >= list.size()) return std::nullopt;
    const uint8_t length = list[position];
    if (length == 0) {
      if (!jumped) at = position + 1;
      return name;
    }
    if ((length & kPointer) == kPointer) {
      if (position + 1 >= list.size()) return std::nullopt;
      const size_t target = static_cast<size_t>(length & ~kPointer) << 8 | list[position + 1];
      if (target >= limit) return std::nullopt;
      if (!jumped) at = position + 2;
      jumped = true;
      position = limit = target;
      continue;
    }
    encoded += size_t{1} + length;
    if (length > kMaxLabel || encoded > kMaxName) return std::nullopt;
    if (list.size() - position - 1 < length) return std::nullopt;
    if (!name.empty()) name += '.';
    name.append(list.begin() + static_cast<std::ptrdiff_t>(position + 1),
                list.begin() + static_cast<std::ptrdiff_t>(position + 1 + length));
    position += size_t{1} + length;
  }
}

}  // namespace

bool is_domain_name(std::string_view name) {
  name = without_final_dot(name);
  if (name.empty() || name.size() + 2 > kMaxName) return false;
  while (!name.empty()) {
    const size_t label = first_label(name).size();
    if (label == 0 || label > kMaxLabel) return false;
    if (label + 1 == name.size()) return false;  // ends in a second dot
    name = after_label(name);
  }
  return true;
}

size_t encode_search_list(std::span<const std::string> names, MutableBytes to) {
  return encode(names, to, false);
}

size_t encode_search_list_compressed(std::span<const std::string> names, MutableBytes to) {
  return encode(names, to, true);
}

std::optional<std::vector<std::string>> decode_search_list(Bytes list) {
  std::vector<std::string> names;
  for (size_t at = 0; at < list.size();) {
    std::optional<std::string> name = decode_name(list, at);
    if (!name.has_value()) return std::nullopt;
    if (!name->empty()) names.push_back(std::move(*name));
  }
  return names;
}

}  // namespace dashi
