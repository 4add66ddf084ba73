#include "core/dns/static_records.hh"

#include <algorithm>

namespace dashi {

bool StaticRecords::before(const DnsName& a, const DnsName& b) {
  return std::lexicographical_compare(a.bytes.begin(), a.bytes.begin() + a.size, b.bytes.begin(),
                                      b.bytes.begin() + b.size);
}

size_t StaticRecords::lower_bound(const DnsName& name) const {
  const auto at =
      std::lower_bound(names_.begin(), names_.end(), name,
                       [](const Owned& owned, const DnsName& n) { return before(owned.name, n); });
  return static_cast<size_t>(at - names_.begin());
}

size_t StaticRecords::records() const {
  size_t sum = 0;
  for (const Owned& owned : names_) sum += owned.records();
  return sum;
}

Result<Done, DnsRecordError> StaticRecords::set(std::string_view text,
                                                std::span<const IpAddress> addresses) {
  const auto name = dns_name_from_text(text);
  if (!name) return DnsRecordError::kNameNotValid;
  const size_t at = lower_bound(*name);
  const bool known = at < names_.size() && names_[at].name == *name;
  Owned next{*name, {}};
  const auto replaces = [&](Family family) {
    return std::any_of(addresses.begin(), addresses.end(),
                       [&](const IpAddress& a) { return a.family() == family; });
  };
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const bool replaced = replaces(family);
    const auto keep = [&](const IpAddress& a) {
      if (a.family() == family) next.addresses.push_back(a);
    };
    if (replaced) std::for_each(addresses.begin(), addresses.end(), keep);
    if (!replaced && known) {
      std::for_each(names_[at].addresses.begin(), names_[at].addresses.end(), keep);
    }
  }
  const size_t others = records() - (known ? names_[at].records() : 0);
  if (others + next.records() > limit_) return DnsRecordError::kTooManyRecords;
  if (known) {
    names_[at] = std::move(next);
  } else {
    names_.insert(names_.begin() + static_cast<std::ptrdiff_t>(at), std::move(next));
  }
  return Done{};
}

bool StaticRecords::remove(std::string_view text) {
  const auto name = dns_name_from_text(text);
  if (!name) return false;
  const size_t at = lower_bound(*name);
  if (at == names_.size() || !(names_[at].name == *name)) return false;
  names_.erase(names_.begin() + static_cast<std::ptrdiff_t>(at));
  return true;
}

const std::vector<IpAddress>* StaticRecords::find(const DnsName& name) const {
  const size_t at = lower_bound(name);
  return at < names_.size() && names_[at].name == name ? &names_[at].addresses : nullptr;
}

void StaticRecords::save(ArchiveWriter& ar) const {
  auto count = static_cast<uint32_t>(names_.size());
  ar(count);
  for (const Owned& owned : names_) {
    Owned copy = owned;
    ar(copy.name.size, copy.name.bytes);
    ar.bounded(copy.addresses, limit_);
  }
}

bool StaticRecords::restore(ArchiveReader& ar) {
  names_.clear();
  uint32_t count = 0;
  ar(count);
  if (count > limit_) return false;
  for (uint32_t i = 0; i < count && ar.ok(); ++i) {
    Owned owned;
    ar(owned.name.size, owned.name.bytes);
    ar.bounded(owned.addresses, limit_);
    const bool sorted = names_.empty() || before(names_.back().name, owned.name);
    if (!ar.ok() || owned.name.size > owned.name.bytes.size() || !sorted) return false;
    names_.push_back(std::move(owned));
  }
  return ar.ok() && records() <= limit_;
}

}  // namespace dashi
