// Whom the guest's endpoints have sent to: what the filter of RFC 4787 5 asks for, and by which address the
// guest knows each of them. One bounded table for all mappings, which it knows by their slots alone; whether
// a contact is an address or a port of one is its caller's choice (port 0: any).
//
// A contact counts for as long as a mapping lives that nobody uses (UdpConfig::timeout). At the bound a
// mapping that has its share, the table divided by the mappings that have any, gives up its own contact that
// is longest out of use; one that has less takes the place of the one longest out of use of all.
#pragma once

#include <vector>

#include "core/base/archive.hh"
#include "core/base/flow_index.hh"
#include "core/base/slot_map.hh"
#include "core/udp/remote_key.hh"
#include "core/udp/udp_config.hh"

namespace dashi {

class Contacts {
 public:
  static constexpr uint32_t kNone = SlotBitmap::kNone;
  // A contact used again sooner keeps its place in the order, and its time: so a busy one costs nothing.
  static constexpr Duration kGrain = 1s;

  Contacts(const UdpConfig& config, uint32_t capacity, uint32_t mappings, SipKey index_key);

  // The mapping sends to `remote`, which the guest knows as `seen`.
  void touch(Instant now, uint32_t mapping, const Endpoint& remote, const IpAddress& seen);
  // Gives a name for the two functions below, good until the next touch() or forget(); or kNone.
  uint32_t find(Instant now, uint32_t mapping, const Endpoint& remote) const;
  const IpAddress& seen(uint32_t contact) const { return contacts_[contact].seen; }
  void refresh(Instant now, uint32_t contact);
  void forget(uint32_t mapping);  // all that it has

  uint32_t count(uint32_t mapping) const { return owners_[mapping].count; }
  uint32_t size() const { return contacts_.size(); }

  template <typename Archive>
  void archive_all(Archive& ar);

 private:
  struct Link {
    uint32_t newer = kNone;
    uint32_t older = kNone;
  };
  struct Contact {
    uint32_t mapping = 0;
    Endpoint remote;
    IpAddress seen;
    Instant last_used;
    Link own;  // among its mapping's
    Link all;
  };
  // A list by last use, through one of a contact's links.
  struct Ends {
    uint32_t newest = kNone;
    uint32_t oldest = kNone;
  };
  struct Owner {
    Ends ends;
    uint32_t count = 0;
  };

  uint32_t lookup(uint32_t mapping, const Endpoint& remote) const;
  uint32_t add(Instant now, uint32_t mapping, const Endpoint& remote);
  void erase(uint32_t slot);
  void push(Ends& ends, Link Contact::*link, uint32_t slot);
  void unlink(Ends& ends, Link Contact::*link, uint32_t slot);

  const UdpConfig& config_;
  SlotMap<Contact> contacts_;
  FlowIndex<RemoteKey> index_;
  std::vector<Owner> owners_;  // by mapping
  uint32_t owners_in_use_ = 0;
  Ends all_;
};

}  // namespace dashi
