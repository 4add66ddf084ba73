// What dashi gives up before it reads the guest's first byte: the guest is the attacker. Not a sandbox.
#pragma once

namespace dashi {

// Whoever is root becomes nobody, where there is such a user: root without capabilities still owns the
// system's files. Keeps, of whatever capabilities there are, those that later calls need: raw sockets for
// ping where ping sockets are refused, low ports, and signals to a command that is root's. Nothing executed
// from here on gains any. False if the kernel refused.
bool drop_privileges(bool has_command);

}  // namespace dashi
