// Either a value or an error. For what the world refuses; a bad packet is a DropReason instead, and
// a broken invariant a DASHI_CHECK.
#pragma once

#include <utility>
#include <variant>

#include "core/base/check.hh"

namespace dashi {

template <typename T, typename E>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: either side
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: converts

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() {
    DASHI_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const {
    DASHI_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  const E& error() const {
    DASHI_CHECK(!ok());
    return *std::get_if<1>(&state_);
  }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }

 private:
  std::variant<T, E> state_;
};

// The value of a Result that carries none.
struct Done {
  friend bool operator==(const Done&, const Done&) = default;
};

}  // namespace dashi
