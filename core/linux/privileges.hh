// What dashi gives up before it reads the guest's first byte: the guest is the attacker. Not a sandbox.
#pragma once

namespace dashi {

// Keeps, of whatever capabilities there are, those that later calls need: raw sockets for ping where
// ping sockets are refused, and low ports. Nothing executed from here on gains any. False if the kernel
// refused.
bool drop_privileges();

}  // namespace dashi
