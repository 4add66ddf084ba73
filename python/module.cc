// The extension module `dashi._dashi`: both engines, bound by one template. Everything people see is
// in the package's Python; here are only numbers, strings, and the loop that gives way to Ctrl-C.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <atomic>
#include <memory>

#include "python/engine.hh"
#include "python/native_engine.hh"
#ifdef DASHI_HAVE_NS3
#include "python/ns3_engine.hh"
#endif

namespace py = pybind11;

namespace dashi::python {
namespace {

constexpr uint64_t kSliceEvents = 50'000;  // some milliseconds between looks at signals

constexpr const char* kClosed = "the experiment is closed";
constexpr const char* kElsewhere = "the experiment is running in another thread";

Family family_of(bool ipv6) { return ipv6 ? Family::kIpv6 : Family::kIpv4; }

// Marks an engine as running, so that a second thread gets an error and not a race.
class Running {
 public:
  explicit Running(std::atomic<bool>& flag) : flag_(flag) {
    if (flag_.exchange(true)) throw WorldError(kElsewhere);
  }
  ~Running() { flag_ = false; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  std::atomic<bool>& flag_;
};

template <typename Engine>
struct Held {
  explicit Held(const EngineConfig& config) : engine(std::make_unique<Engine>(config)) {}

  // For all but run: with the GIL held, so what is not running now will not run during the call.
  Engine& idle() {
    if (running) throw WorldError(kElsewhere);
    if (engine == nullptr) throw WorldError(kClosed);
    return *engine;
  }
  // Now, and not when the last reference to the object goes: a traceback may keep one, and ns-3 allows
  // one world.
  void close() {
    if (running) throw WorldError(kElsewhere);
    engine.reset();
  }

  std::unique_ptr<Engine> engine;  // null once closed
  std::atomic<bool> running = false;
};

// Runs without the GIL, and looks at signals between slices. False: `max_events` ran first.
template <typename Engine>
bool run(Held<Engine>& held, int64_t until_ns, bool whatever, uint64_t max_events) {
  Engine& engine = held.idle();
  const Running running(held.running);
  const Instant until = until_ns < 0 ? kNever : instant_from_nanoseconds(until_ns);
  const uint64_t before = engine.events();
  while (true) {
    const uint64_t done = engine.events() - before;
    if (done >= max_events) return false;
    RunEnd end{};
    {
      const py::gil_scoped_release released;
      end = engine.run_slice(until, whatever, std::min(kSliceEvents, max_events - done));
    }
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (end != RunEnd::kSlice) return true;
  }
}

template <typename Engine>
py::dict counters(Held<Engine>& held) {
  const Counters& counted = held.idle().counters();
  py::dict out;
  for (size_t i = 0; i < kCounterCount; ++i) {
    const auto counter = static_cast<Counter>(i);
    out[py::str(std::string(name_of(counter)))] = counted[counter];
  }
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    const auto reason = static_cast<DropReason>(i);
    if (counted[reason] != 0)
      out[py::str("drop-" + std::string(name_of(reason)))] = counted[reason];
  }
  return out;
}

template <typename Engine>
void bind_engine(py::module_& module, const char* name) {
  using H = Held<Engine>;
  py::class_<H>(module, name)
      .def(py::init<const EngineConfig&>())
      .def("download",
           [](H& h, uint64_t bytes, bool v6) { return h.idle().download(bytes, family_of(v6)); })
      .def("upload",
           [](H& h, uint64_t bytes, bool v6) { return h.idle().upload(bytes, family_of(v6)); })
      .def("ping", [](H& h, const EchoesSpec& spec) { return h.idle().ping(spec); })
      .def("udp_echo", [](H& h, const EchoesSpec& spec) { return h.idle().udp_echo(spec); })
      .def("resolve", [](H& h, const std::string& host,
                         bool v6) { return h.idle().resolve(host, family_of(v6)); })
      .def("dhcp", [](H& h) { return h.idle().dhcp(); })
      .def("run", &run<Engine>)
      .def("result", [](H& h, uint32_t verb) { return h.idle().result(verb); })
      .def("counters", &counters<Engine>)
      .def("capture", [](H& h, const std::string& path) { h.idle().capture(path); })
      .def("flush_capture", [](H& h) { h.idle().flush_capture(); })
      .def("close", &H::close)
      .def("dump", [](H& h) { return h.idle().dump(); })
      .def("violations", [](H& h) { return h.idle().violations(); })
      .def_property_readonly("now_ns", [](H& h) { return h.idle().now_ns(); })
      .def_property_readonly("events", [](H& h) { return h.idle().events(); })
      .def_property_readonly("digest", [](H& h) { return h.idle().digest(); });
}

void bind_values(py::module_& module) {
  py::class_<LinkValues>(module, "LinkValues")
      .def(py::init<>())
      .def_readwrite("rate_bps", &LinkValues::rate_bps)
      .def_readwrite("delay_ns", &LinkValues::delay_ns)
      .def_readwrite("jitter_ns", &LinkValues::jitter_ns)
      .def_readwrite("queue_frames", &LinkValues::queue_frames)
      .def_readwrite("mtu", &LinkValues::mtu)
      .def_readwrite("loss", &LinkValues::loss)
      .def_readwrite("duplicate", &LinkValues::duplicate)
      .def_readwrite("reorder", &LinkValues::reorder)
      .def_readwrite("corrupt", &LinkValues::corrupt);
  py::class_<EngineConfig>(module, "EngineConfig")
      .def(py::init<>())
      .def_readwrite("seed", &EngineConfig::seed)
      .def_readwrite("wan", &EngineConfig::wan)
      .def_readwrite("guest_link", &EngineConfig::guest_link)
      .def_readwrite("direct", &EngineConfig::direct)
      .def_readwrite("cubic", &EngineConfig::cubic);
  py::class_<EchoesSpec>(module, "EchoesSpec")
      .def(py::init([](const std::string& to, bool ipv6, uint32_t count, uint32_t bytes,
                       int64_t interval_ns) {
        return EchoesSpec{to, family_of(ipv6), count, bytes, interval_ns};
      }));
  py::class_<VerbResult>(module, "VerbResult")
      .def_readonly("done", &VerbResult::done)
      .def_readonly("error", &VerbResult::error)
      .def_readonly("start_ns", &VerbResult::start_ns)
      .def_readonly("end_ns", &VerbResult::end_ns)
      .def_readonly("size", &VerbResult::size)
      .def_readonly("received", &VerbResult::received)
      .def_readonly("sent", &VerbResult::sent)
      .def_readonly("answered", &VerbResult::answered)
      .def_readonly("rtt_ns", &VerbResult::rtt_ns)
      .def_readonly("addresses", &VerbResult::addresses)
      .def_readonly("address", &VerbResult::address)
      .def_readonly("gateway", &VerbResult::gateway)
      .def_readonly("mtu", &VerbResult::mtu)
      .def_readonly("lease_seconds", &VerbResult::lease_seconds);
}

// Our errors become the package's own, so that `except dashi.ConfigError` is all there is to know.
void bind_errors() {
  py::register_exception_translator([](std::exception_ptr thrown) {
    const auto raise = [](const char* name, const std::exception& error) {
      const py::object type = py::module_::import("dashi.errors").attr(name);
      PyErr_SetString(type.ptr(), error.what());
    };
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const ConfigError& error) {
      raise("ConfigError", error);
    } catch (const WorldError& error) {
      raise("WorldError", error);
    }
  });
}

}  // namespace
}  // namespace dashi::python

PYBIND11_MODULE(_dashi, module) {
  using namespace dashi::python;
  module.doc() = "The engines of the dashi package. Use the package, not this module.";
  module.attr("__version__") = DASHI_VERSION;
  bind_errors();
  bind_values(module);
  bind_engine<NativeEngine>(module, "NativeEngine");
#ifdef DASHI_HAVE_NS3
  bind_engine<Ns3Engine>(module, "Ns3Engine");
#endif
}
