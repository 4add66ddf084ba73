// What may be chosen about ICMP echo.
#pragma once

#include "core/base/time.hh"

namespace dashi {

struct EchoConfig {
  Duration timeout = 60s;  // RFC 5508 REQ-2: at least 60 s
};

}  // namespace dashi
