#include "core/udp/contacts.hh"

#include <algorithm>

namespace dashi {

Contacts::Contacts(const UdpConfig& config, uint32_t capacity, uint32_t mappings, SipKey index_key)
    : config_(config),
      contacts_(std::max<uint32_t>(capacity, 1)),
      index_(std::max<uint32_t>(capacity, 1), index_key),
      owners_(mappings) {}

// Most datagrams are for, or from, the remote that had the one before: that takes no hash.
uint32_t Contacts::lookup(uint32_t mapping, const Endpoint& remote) const {
  const uint32_t newest = owners_[mapping].ends.newest;
  if (newest != kNone && contacts_[newest].remote == remote) return newest;
  return index_.find(remote_key(mapping, remote));
}

uint32_t Contacts::find(Instant now, uint32_t mapping, const Endpoint& remote) const {
  const uint32_t slot = lookup(mapping, remote);
  if (slot == kNone || contacts_[slot].last_used + kGrain + config_.timeout <= now) return kNone;
  return slot;
}

void Contacts::touch(Instant now, uint32_t mapping, const Endpoint& remote, const IpAddress& seen) {
  uint32_t slot = lookup(mapping, remote);
  if (slot == kNone) {
    slot = add(now, mapping, remote);
  } else {
    refresh(now, slot);
  }
  contacts_[slot].seen = seen;
}

void Contacts::refresh(Instant now, uint32_t contact) {
  Contact& c = contacts_[contact];
  if (now - c.last_used < kGrain) return;
  c.last_used = now;
  Ends& own = owners_[c.mapping].ends;
  unlink(own, &Contact::own, contact);
  push(own, &Contact::own, contact);
  unlink(all_, &Contact::all, contact);
  push(all_, &Contact::all, contact);
}

uint32_t Contacts::add(Instant now, uint32_t mapping, const Endpoint& remote) {
  Owner& owner = owners_[mapping];
  if (contacts_.full()) {
    const bool has_its_share = uint64_t{owner.count} * owners_in_use_ >= contacts_.capacity();
    erase(has_its_share ? owner.ends.oldest : all_.oldest);
  }
  const uint32_t slot = contacts_.emplace();
  Contact& c = contacts_[slot];
  c.mapping = mapping;
  c.remote = remote;
  c.last_used = now;
  index_.insert(remote_key(mapping, remote), slot);
  push(owner.ends, &Contact::own, slot);
  push(all_, &Contact::all, slot);
  if (owner.count++ == 0) ++owners_in_use_;
  return slot;
}

void Contacts::erase(uint32_t slot) {
  const Contact& c = contacts_[slot];
  Owner& owner = owners_[c.mapping];
  unlink(owner.ends, &Contact::own, slot);
  unlink(all_, &Contact::all, slot);
  if (--owner.count == 0) --owners_in_use_;
  index_.erase(remote_key(c.mapping, c.remote));
  contacts_.erase(slot);
}

void Contacts::forget(uint32_t mapping) {
  while (owners_[mapping].count != 0) erase(owners_[mapping].ends.oldest);
}

void Contacts::push(Ends& ends, Link Contact::*link, uint32_t slot) {
  contacts_[slot].*link = Link{kNone, ends.newest};
  if (ends.newest != kNone) (contacts_[ends.newest].*link).newer = slot;
  if (ends.oldest == kNone) ends.oldest = slot;
  ends.newest = slot;
}

void Contacts::unlink(Ends& ends, Link Contact::*link, uint32_t slot) {
  const Link at = contacts_[slot].*link;
  (at.newer == kNone ? ends.newest : (contacts_[at.newer].*link).older) = at.older;
  (at.older == kNone ? ends.oldest : (contacts_[at.older].*link).newer) = at.newer;
}

// The oldest first: a mapping's own have the same order as all.
template <typename Archive>
void Contacts::archive_all(Archive& ar) {
  uint32_t count = contacts_.size();
  ar(count);
  if constexpr (Archive::kReading) {
    if (count > contacts_.capacity()) return ar.fail();
    for (uint32_t i = 0; i < count; ++i) {
      Contact c;
      ar(c.mapping, c.remote, c.seen, c.last_used);
      if (!ar.ok() || c.mapping >= owners_.size() || lookup(c.mapping, c.remote) != kNone) {
        return ar.fail();
      }
      contacts_[add(c.last_used, c.mapping, c.remote)].seen = c.seen;
    }
  } else {
    for (uint32_t slot = all_.oldest; slot != kNone; slot = contacts_[slot].all.newer) {
      Contact& c = contacts_[slot];
      ar(c.mapping, c.remote, c.seen, c.last_used);
    }
  }
}

template void Contacts::archive_all(ArchiveWriter& ar);
template void Contacts::archive_all(ArchiveReader& ar);

}  // namespace dashi
