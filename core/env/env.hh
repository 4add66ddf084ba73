// The four interfaces through which the core acts on the world. The driver owns them and keeps them
// alive longer than the Nat. None of them ever calls the Nat.
#pragma once

#include "core/env/entropy.hh"
#include "core/env/guest_link.hh"
#include "core/env/sockets.hh"
#include "core/env/trace.hh"

namespace dashi {

struct Env {
  GuestLink& guest_link;
  Sockets& sockets;
  Entropy& entropy;
  Trace& trace;
};

}  // namespace dashi
