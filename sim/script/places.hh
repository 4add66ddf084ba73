// Addresses that a script names instead of writing them, so that it serves both families: gateway,
// guest, server, host, neighbor, loopback, nowhere. Until a run knows its family a name is kept as an
// address of 0.0.0.0/28, which no packet carries otherwise.
#pragma once

#include <optional>
#include <string>

#include "core/wire/address.hh"

namespace dashi::script {

struct MessageSpec;
struct Setting;

std::optional<IpAddress> named_place(const std::string& name);
// The address behind a name of above; any other address is itself.
IpAddress place_of(const IpAddress& address, const Setting& setting);

// The names among a message's addresses.
void name_places(MessageSpec& message, const Setting& setting);

// Where a connect() of the far end goes: the first forwarded port, or one that will be.
Endpoint forwarded_port(const Setting& setting);

}  // namespace dashi::script
