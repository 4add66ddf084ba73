#include "sim/second_guest.hh"

namespace dashi {
namespace {

FlowId named(FlowId id) {
  DASHI_CHECK((id.slot & SimSockets::kSecondGuest) == 0);
  id.slot |= SimSockets::kSecondGuest;
  return id;
}

SocketEventSource events_of(SimSockets& sockets) {
  return {[&sockets] { return sockets.has_events_of_second(); },
          [&sockets](std::vector<SocketEvent>& into, size_t most) {
            const size_t before = into.size();
            sockets.take_events_of_second(into, most);
            for (size_t i = before; i < into.size(); ++i) {
              into[i].id.slot &= ~SimSockets::kSecondGuest;
            }
          }};
}

}  // namespace

class SecondGuest::NamedListener final : public Listener {
 public:
  explicit NamedListener(std::unique_ptr<Listener> of) : of_(std::move(of)) {}
  Result<Accepted, SocketError> accept(FlowId id) override { return of_->accept(named(id)); }
  Endpoint local() const override { return of_->local(); }

 private:
  std::unique_ptr<Listener> of_;
};

Result<std::unique_ptr<StreamSocket>, SocketError> SecondGuest::NamedSockets::connect(
    const Endpoint& remote, const ConnectOptions& options, FlowId id) {
  return host_.connect(remote, options, named(id));
}

Result<std::unique_ptr<Listener>, SocketError> SecondGuest::NamedSockets::listen(
    const Endpoint& local, FlowId id) {
  auto listener = host_.listen(local, named(id));
  if (!listener.ok()) return listener.error();
  return std::unique_ptr<Listener>(std::make_unique<NamedListener>(std::move(*listener)));
}

Result<std::unique_ptr<DatagramSocket>, SocketError> SecondGuest::NamedSockets::open_datagram(
    const Endpoint& local, FlowId id) {
  return host_.open_datagram(local, named(id));
}

Result<std::unique_ptr<EchoSocket>, SocketError> SecondGuest::NamedSockets::open_echo(Family family,
                                                                                      FlowId id) {
  return host_.open_echo(family, named(id));
}

SecondGuest::SecondGuest(World& world, const Config& nat, const GuestLinkSpec& link)
    : link_(world.queue(), link, world.config().seed + 1, nullptr),
      sockets_(world.sockets()),
      entropy_(world.config().seed),
      driver_(world.queue(), link_, events_of(world.sockets()), nullptr),
      script_(world.queue(), [this](const GuestFrame& frame) { link_.send(frame); }) {
  link_.set_receiver([this](const GuestFrame& frame) { script_.receive(frame); });
  world.sockets().set_wake_of_second([this] { driver_.wake(); });
  nat_ = std::make_unique<Nat>(nat, Env{link_, sockets_, entropy_, trace_});
  driver_.drive(nat_.get());
}

SecondGuest::~SecondGuest() { driver_.drive(nullptr); }

}  // namespace dashi
