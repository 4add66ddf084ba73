#include "core/linux/listener.hh"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "core/linux/sockaddr.hh"

namespace dashi {

LinuxListener::LinuxListener(SocketTable& table, Fd fd, Family family, FlowId id, RingBudget* rings)
    : table_(table),
      fd_(std::move(fd)),
      id_(id),
      slot_(table.add(fd_.get(), this, EPOLLIN)),
      family_(family),
      rings_(rings) {}

LinuxListener::~LinuxListener() { table_.remove(slot_); }

void LinuxListener::handle_ready(uint32_t /*epoll_events*/, EventBatch& out) {
  out.push(id_, SocketEvent::Kind::kAcceptable);
}

Result<Accepted, SocketError> LinuxListener::accept(FlowId id) {
  SockAddr remote;
  Fd fd;
  do {
    remote.size = sizeof remote.storage;
    fd = Fd(::accept4(fd_.get(), remote.get(), &remote.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    // A connection that was reset while it waited is no error of the listener.
  } while (!fd && (errno == EINTR || errno == ECONNABORTED || errno == EPROTO));
  if (!fd) return error_from_errno(errno);

  Accepted out;
  out.remote = from_sockaddr(remote.storage);
  out.local = local_endpoint(fd.get());
  auto stream = std::make_unique<LinuxStream>(table_, std::move(fd), family_, id, rings_,
                                              LinuxStream::Start::kConnected);
  if (!stream->watched()) {
    stream->abort();
    return SocketError::kNoBuffers;
  }
  out.socket = std::move(stream);
  return out;
}

Endpoint LinuxListener::local() const { return local_endpoint(fd_.get()); }

}  // namespace dashi
