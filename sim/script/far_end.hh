// The application behind the host socket: the far end that a script's calls (socket, listen, read,
// ...) act at. A server the guest's connections reach, or a client of a forwarded port. Descriptors
// are the script's own numbers. A call either returns, would block, or is one that a NAT cannot serve.
#pragma once

#include <functional>
#include <map>

#include "sim/script/script.hh"
#include "sim/world.hh"

namespace dashi::script {

struct Setting;

struct CallResult {
  // kMisused: no kernel could be asked so. Of it and of kNotServed `mismatch` says why.
  enum class Kind : uint8_t { kReturned, kBlocked, kNotServed, kMisused };
  Kind kind = Kind::kReturned;
  int64_t value = 0;
  std::string error;  // value < 0: EAGAIN, ...
  std::string
      mismatch;  // an argument the call fills in is not what the script says; empty: all are
  // kBlocked: after so long it returns all the same, with what else is said here.
  std::optional<Duration> at_most{};

  static CallResult returned(int64_t value) { return {Kind::kReturned, value, {}, {}, {}}; }
  static CallResult failed(const char* error) { return {Kind::kReturned, -1, error, {}, {}}; }
  static CallResult not_served(std::string why) {
    return {Kind::kNotServed, 0, {}, std::move(why), {}};
  }
  static CallResult misused(std::string why) { return {Kind::kMisused, 0, {}, std::move(why), {}}; }
  static CallResult blocked() { return {Kind::kBlocked, 0, {}, {}, {}}; }
};

class FarEnd {
 public:
  FarEnd(World& world, const Setting& setting);

  // accept and connect return only once this holds of the connection they are for.
  void wait_for(std::function<bool()> established) { established_ = std::move(established); }
  // Whether it is a call of packetdrill's; not all of them are served.
  static bool knows(std::string_view name);
  // Makes the call, or sees whether it can return now; a call that blocked may be made again.
  CallResult call(const CallSpec& call);

 private:
  struct Watch {
    int64_t asked = 0;            // events; 0 after EPOLLONESHOT's one
    int64_t told = 0;             // edge-triggered: events already given
    std::optional<int64_t> data;  // what comes with them, if it is a number
  };
  struct Descriptor {
    enum class Kind : uint8_t { kFresh, kListener, kStream, kDatagram, kEpoll };
    Kind kind = Kind::kFresh;
    Endpoint local;
    Endpoint peer;
    uint32_t app = 0;
    bool nonblocking = false;
    bool resets_on_close = false;
    bool bound = false;
    bool connecting = false;
    bool connected = false;  // a connect said so
    bool up = false;         // it was established; only then are its failures resets
    bool told_of_reset = false;
    bool wrote_end = false;
    bool reads_end = false;      // SHUT_RD: after what has come
    std::string gathered;        // of what a blocked MSG_WAITALL waits for
    bool sent_zerocopy = false;  // its error queue would hold what became of the bytes
    size_t receive_buffer = 0;
    size_t taken = 0;                        // kDatagram: datagrams read
    std::map<std::string, int64_t> options;  // as set
    std::map<int64_t, Watch> watched;        // kEpoll: by descriptor
  };
  using Call = CallResult (FarEnd::*)(const CallSpec&);
  struct Served {
    const char* name;
    Call call;
    size_t arguments;  // at least
  };
  static const Served kServed[];

  CallResult socket(const CallSpec& call);
  CallResult bind(const CallSpec& call);
  CallResult listen(const CallSpec& call);
  CallResult accept(const CallSpec& call);
  CallResult connect(const CallSpec& call);
  CallResult read(const CallSpec& call);
  CallResult write(const CallSpec& call);
  CallResult shutdown(const CallSpec& call);
  CallResult close(const CallSpec& call);
  CallResult setsockopt(const CallSpec& call);
  CallResult getsockopt(const CallSpec& call);
  CallResult fcntl(const CallSpec& call);
  CallResult poll(const CallSpec& call);
  CallResult epoll_create(const CallSpec& call);
  CallResult epoll_ctl(const CallSpec& call);
  CallResult epoll_wait(const CallSpec& call);
  CallResult ioctl(const CallSpec& call);
  CallResult sendmsg(const CallSpec& call);
  CallResult recvmsg(const CallSpec& call);
  CallResult writev(const CallSpec& call);
  CallResult readv(const CallSpec& call);

  Descriptor* find(const CallSpec& call, size_t argument);
  CallResult opened(const CallSpec& call, const Descriptor& descriptor);
  bool is_taken(const Descriptor& by) const;
  SimConnection* connection(const Descriptor& descriptor);
  const AppRecord& record(const Descriptor& descriptor) const {
    return world_.apps().record(descriptor.app);
  }
  bool is_up(Descriptor& descriptor);
  std::optional<CallResult> terminal(Descriptor& descriptor);
  const char* failure_of(const Descriptor& descriptor) const;
  CallResult written(Descriptor& descriptor, std::vector<uint8_t> bytes, int64_t flags);
  // What a read took, beside how much.
  struct Taken {
    std::string bytes;
    std::optional<Endpoint> from;  // a datagram's
    bool cut = false;              // a datagram was longer
  };
  CallResult received(Descriptor& descriptor, size_t most, int64_t flags, Taken& got);
  // Why a datagram cannot go there: there is nobody but who spoke last. Nothing: it can.
  std::optional<CallResult> refused_destination(const Descriptor& from, const Value* address) const;
  // The result, unless the peer that the call tells of is not as the script says.
  CallResult telling(const std::optional<Endpoint>& peer, CallResult result, const Value* address,
                     const Value* length) const;
  CallResult read_into(const CallSpec& call, const Value* vectors, int64_t flags, Taken& got);
  CallResult received_datagram(Descriptor& descriptor, size_t most, int64_t flags, Taken& got);
  CallResult kept_option(const Descriptor& descriptor, const CallSpec& call) const;
  CallResult would_block(const Descriptor& descriptor, int64_t flags) const;
  int64_t ready(Descriptor& descriptor);

  World& world_;
  const Setting& setting_;
  Endpoint server_;  // where bind(..., ..., ...) binds
  Endpoint guest_;   // where connect(..., ..., ...) leads: a forwarded port of the NAT's host
  std::map<int64_t, Descriptor> descriptors_;
  std::function<bool()> established_;  // empty: whatever the far end's own connection is
};

// How a call's result is not what the script says; empty: it is.
std::string difference_of(const CallSpec& call, const CallResult& result);
// How what was read is not what the buffer in the script says; empty: it is.
std::string unlike(const Value& buffer, const std::string& got);
// A write that took more bytes than it was to take.
bool takes_more(const CallSpec& call, const CallResult& result);
// Of a value: A|B holds "A". A number or word alone holds itself.
bool holds_word(const Value& value, const char* word);
const Value* argument(const CallSpec& call, size_t index);  // null: there are not so many
// The port in {sa_family=AF_INET, sin_port=htons(80), ...}.
std::optional<Port> port_in(const Value* address);
// Whether the address in {..., sin_addr=inet_addr("loopback")} is the NAT host's own.
bool names_loopback(const Value* address);

}  // namespace dashi::script
