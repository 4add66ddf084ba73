// The names the gateway owns: addresses by name. Not a zone: no types but A and AAAA, no wildcards,
// no delegation. Bounded by the number of records; a name without addresses counts as one.
#pragma once

#include <string>
#include <vector>

#include "core/base/archive.hh"
#include "core/base/result.hh"
#include "core/dns/dns_config.hh"
#include "core/wire/dns.hh"

namespace dashi {

class StaticRecords {
 public:
  explicit StaticRecords(uint32_t limit) : limit_(limit) {}

  // Replaces the name's addresses of those families that `addresses` has; no addresses: the name is
  // owned all the same, and every type of it is NODATA.
  Result<Done, DnsRecordError> set(std::string_view name, std::span<const IpAddress> addresses);
  // Gives whether the name was owned.
  bool remove(std::string_view name);
  // The name's addresses, A before AAAA, or null if the gateway does not own it.
  const std::vector<IpAddress>* find(const DnsName& name) const;

  size_t names() const { return names_.size(); }

  void save(ArchiveWriter& ar) const;
  bool restore(ArchiveReader& ar);

 private:
  struct Owned {
    DnsName name;
    std::vector<IpAddress> addresses;
    size_t records() const { return addresses.empty() ? 1 : addresses.size(); }
  };
  static bool before(const DnsName& a, const DnsName& b);
  size_t lower_bound(const DnsName& name) const;
  size_t records() const;

  uint32_t limit_;
  std::vector<Owned> names_;  // sorted by name
};

}  // namespace dashi
