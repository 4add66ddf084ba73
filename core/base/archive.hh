// Saving and restoring plain state: one `archive` function a type names its fields once, and serves
// both directions. Little-endian, no padding, bounded: a reader never trusts a length it read.
//
//   template <typename Archive> void archive(Archive& ar, Thing& t) { ar(t.a, t.b); }
#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

#include "core/base/bytes.hh"
#include "core/base/time.hh"

namespace dashi {

// Where saved state goes. The bytes are borrowed until put() returns.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void put(Bytes bytes) = 0;
};

// Where saved state comes from. get() fills `bytes` whole, or gives false and the restore fails.
class Source {
 public:
  virtual ~Source() = default;
  virtual bool get(MutableBytes bytes) = 0;
};

template <typename Derived>
class ArchiveBase {
 public:
  template <typename... Fields>
  void operator()(Fields&... fields) {
    (self().field(fields), ...);
  }

 protected:
  // No time that was saved is so far away; sums of a few of them do not overflow.
  static constexpr int64_t kTimeMax = int64_t{1} << 60;  // ns, 36 years

  Derived& self() { return static_cast<Derived&>(*this); }

  void check_time(int64_t ns) {
    if constexpr (Derived::kReading) {
      if (ns > kTimeMax || ns < -kTimeMax) self().fail();
    }
  }

  template <typename T>
  void dispatch(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      auto raw = static_cast<uint8_t>(value);
      self().integer(raw);
      value = raw != 0;
    } else if constexpr (std::is_enum_v<T>) {
      auto raw = static_cast<std::underlying_type_t<T>>(value);
      self().integer(raw);
      value = static_cast<T>(raw);
    } else if constexpr (std::is_integral_v<T>) {
      self().integer(value);
    } else {
      archive(self(), value);  // found by argument-dependent lookup
    }
  }

 public:
  template <typename T>
  void field(T& value) {
    dispatch(value);
  }
  void field(Instant& value) {
    int64_t ns = nanoseconds(value);
    self().integer(ns);
    if (ns != nanoseconds(kNever)) check_time(ns);
    value = instant_from_nanoseconds(ns);
  }
  void field(Duration& value) {
    int64_t ns = value.count();
    self().integer(ns);
    check_time(ns);
    value = Duration(ns);
  }
  template <typename T, size_t N>
  void field(std::array<T, N>& values) {
    if constexpr (std::is_same_v<T, uint8_t>) {
      self().bytes(values);
    } else {
      for (T& value : values) field(value);
    }
  }
  template <typename T>
  void field(std::optional<T>& value) {
    bool present = value.has_value();
    field(present);
    if (present && !value.has_value()) value.emplace();
    if (!present) value.reset();
    if (value.has_value()) field(*value);
  }
};

class ArchiveWriter : public ArchiveBase<ArchiveWriter> {
 public:
  static constexpr bool kReading = false;
  explicit ArchiveWriter(Sink& sink) : sink_(sink) {}
  bool ok() const { return true; }

  template <std::integral T>
  void integer(T& value) {
    std::array<uint8_t, sizeof(T)> raw{};
    auto bits = static_cast<std::make_unsigned_t<T>>(value);
    for (size_t i = 0; i < sizeof(T); ++i) raw[i] = static_cast<uint8_t>(bits >> (8 * i));
    sink_.put(raw);
  }
  void bytes(Bytes value) { sink_.put(value); }

  // A vector whose length may not exceed `bound` when it is read back.
  template <typename T>
  void bounded(std::vector<T>& values, size_t bound) {
    (void)bound;
    auto size = static_cast<uint64_t>(values.size());
    integer(size);
    for (T& value : values) this->field(value);
  }

 private:
  Sink& sink_;
};

class ArchiveReader : public ArchiveBase<ArchiveReader> {
 public:
  static constexpr bool kReading = true;
  explicit ArchiveReader(Source& source) : source_(source) {}

  // False once the source ran dry or a length broke its bound; fields read after that are zero.
  bool ok() const { return ok_; }
  void fail() { ok_ = false; }
  // The world lacks what the saved state goes on with: a socket.
  void fail_for_socket() {
    ok_ = false;
    lacks_socket_ = true;
  }
  bool lacks_socket() const { return lacks_socket_; }

  template <std::integral T>
  void integer(T& value) {
    std::array<uint8_t, sizeof(T)> raw{};
    if (!ok_ || !source_.get(raw)) {
      ok_ = false;
      value = 0;
      return;
    }
    std::make_unsigned_t<T> bits = 0;
    for (size_t i = 0; i < sizeof(T); ++i) {
      bits = static_cast<std::make_unsigned_t<T>>(
          bits | static_cast<std::make_unsigned_t<T>>(static_cast<std::make_unsigned_t<T>>(raw[i])
                                                      << (8 * i)));
    }
    value = static_cast<T>(bits);
  }
  void bytes(MutableBytes value) {
    if (!ok_ || !source_.get(value)) ok_ = false;
  }
  template <typename T>
  void bounded(std::vector<T>& values, size_t bound) {
    uint64_t size = 0;
    integer(size);
    if (size > bound) ok_ = false;
    if (!ok_) return;
    values.resize(static_cast<size_t>(size));
    for (T& value : values) this->field(value);
  }

 private:
  Source& source_;
  bool ok_ = true;
  bool lacks_socket_ = false;
};

}  // namespace dashi
