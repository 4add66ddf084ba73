// Stream services inside the core: what a guest's TCP connection to the gateway itself is proxied
// to, in place of a host socket. DNS over TCP is the only one today.
//
// tcp/ sees nothing but this interface and the StreamSocket it is given, which it owns like a host
// socket. The service never calls back: kConnected (right after open), kReadable and kWritable
// edges for the stream's FlowId are queued inside the service, and the Nat drains them and hands
// them to tcp/ as if the driver had. The service must outlive the streams it gave out.
#pragma once

#include <memory>

#include "core/base/result.hh"
#include "core/env/flow_id.hh"
#include "core/env/sockets.hh"
#include "core/wire/address.hh"

namespace dashi {

class LocalStreams {
 public:
  virtual ~LocalStreams() = default;

  // Whether a guest's connection to `destination` ends here.
  virtual bool serves(const Endpoint& destination) const = 0;
  // A connection of the guest to `destination`, known to tcp/ as `id`. kTooManySockets at the
  // bound.
  virtual Result<std::unique_ptr<StreamSocket>, SocketError> open(const Endpoint& destination,
                                                                  FlowId id) = 0;
  // The stream of a restored connection, once; null where there is none. The service was restored
  // before tcp/ asks.
  virtual std::unique_ptr<StreamSocket> adopt(FlowId id) = 0;
};

}  // namespace dashi
