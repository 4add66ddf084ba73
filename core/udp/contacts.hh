// Whom a guest endpoint has sent to, the latest first: what the filter of RFC 4787 5 asks for, and by
// which address the guest knows each of them. Bounded: the one longest out of use is forgotten first.
#pragma once

#include <algorithm>
#include <array>

#include "core/base/archive.hh"
#include "core/wire/address.hh"

namespace dashi {

struct Contact {
  Endpoint remote;  // as the host's socket sees it
  IpAddress seen;   // the address the guest sent to: the gateway's, for host loopback
};

class Contacts {
 public:
  static constexpr size_t kMax = 32;

  size_t size() const { return count_; }
  const Contact& latest() const { return contacts_[0]; }

  void touch(const Endpoint& remote, const IpAddress& seen) {
    size_t i = 0;
    while (i < count_ && contacts_[i].remote != remote) ++i;
    if (i == count_) {
      if (count_ < kMax) {
        ++count_;
      } else {
        --i;
      }
    }
    // What lay before it moves back by one.
    std::move_backward(contacts_.begin(), contacts_.begin() + static_cast<ptrdiff_t>(i),
                       contacts_.begin() + static_cast<ptrdiff_t>(i) + 1);
    contacts_[0] = Contact{remote, seen};
  }

  const Contact* find(const Endpoint& remote) const {
    for (size_t i = 0; i < count_; ++i) {
      if (contacts_[i].remote == remote) return &contacts_[i];
    }
    return nullptr;
  }

  bool has_address(const IpAddress& address) const {
    for (size_t i = 0; i < count_; ++i) {
      if (contacts_[i].remote.address == address) return true;
    }
    return false;
  }

  template <typename Archive>
  friend void archive(Archive& ar, Contacts& c) {
    ar(c.count_);
    if (c.count_ > kMax) c.count_ = 0;
    for (size_t i = 0; i < c.count_; ++i) ar(c.contacts_[i].remote, c.contacts_[i].seen);
  }

 private:
  std::array<Contact, kMax> contacts_{};  // the first count_ are set, the latest first
  uint32_t count_ = 0;
};

}  // namespace dashi
