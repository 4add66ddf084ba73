#include "sim/ns3/simulator_impl.hh"

#include <ns3/simulator.h>

namespace dashi {

NS_OBJECT_ENSURE_REGISTERED(QueueSimulator);

ns3::TypeId QueueSimulator::GetTypeId() {
  static ns3::TypeId type =
      ns3::TypeId("dashi::QueueSimulator").SetParent<ns3::SimulatorImpl>().SetGroupName("Core");
  return type;
}

QueueSimulator::QueueSimulator(EventQueue& queue)
    : queue_(queue), context_(ns3::Simulator::NO_CONTEXT) {}

QueueSimulator::~QueueSimulator() = default;

uint32_t QueueSimulator::push(const ns3::Time& delay, uint32_t context, ns3::EventImpl* event) {
  DASHI_CHECK(delay.GetTimeStep() >= 0);
  const uint32_t uid = next_uid_++;
  // ns-3 hands over the event's only reference.
  ns3::Ptr<ns3::EventImpl> owned(event, false);
  queue_.schedule(queue_.now() + Duration(delay.GetTimeStep()), [this, owned, context, uid] {
    run_event(*ns3::PeekPointer(owned), context, uid);
  });
  return uid;
}

void QueueSimulator::run_event(ns3::EventImpl& event, uint32_t context, uint32_t uid) {
  last_ns_ = now_ns();
  last_uid_ = uid;
  context_ = context;
  ++events_run_;
  event.Invoke();  // a cancelled one does nothing
  context_ = ns3::Simulator::NO_CONTEXT;
}

ns3::EventId QueueSimulator::Schedule(const ns3::Time& delay, ns3::EventImpl* event) {
  const uint32_t uid = push(delay, context_, event);
  return ns3::EventId(ns3::Ptr<ns3::EventImpl>(event),
                      static_cast<uint64_t>(now_ns() + delay.GetTimeStep()), context_, uid);
}

void QueueSimulator::ScheduleWithContext(uint32_t context, const ns3::Time& delay,
                                         ns3::EventImpl* event) {
  push(delay, context, event);
}

ns3::EventId QueueSimulator::ScheduleNow(ns3::EventImpl* event) {
  return Schedule(ns3::Time(0), event);
}

ns3::EventId QueueSimulator::ScheduleDestroy(ns3::EventImpl* event) {
  const ns3::EventId id(ns3::Ptr<ns3::EventImpl>(event, false), static_cast<uint64_t>(now_ns()),
                        ns3::Simulator::NO_CONTEXT, kDestroyUid);
  destroy_events_.push_back(id);
  return id;
}

void QueueSimulator::Destroy() {
  while (!destroy_events_.empty()) {
    const ns3::Ptr<ns3::EventImpl> event = destroy_events_.front().PeekEventImpl();
    destroy_events_.pop_front();
    if (!event->IsCancelled()) event->Invoke();
  }
  // Now, while ns-3 still knows this simulator: dropping an event may destroy sockets and the like,
  // whose cancelling of timers would otherwise make ns-3 set up a simulator of its own.
  queue_.clear();
}

// As in ns-3's own simulator, a cancelled event stays in the queue and does nothing when its time
// comes: ns-3 cancels by handle, and its handles know nothing of our cells.
void QueueSimulator::Cancel(const ns3::EventId& id) {
  if (!IsExpired(id)) id.PeekEventImpl()->Cancel();
}

void QueueSimulator::Remove(const ns3::EventId& id) {
  if (id.GetUid() == kDestroyUid) {
    destroy_events_.remove(id);
    return;
  }
  Cancel(id);
}

bool QueueSimulator::IsExpired(const ns3::EventId& id) const {
  ns3::EventImpl* event = id.PeekEventImpl();
  if (event == nullptr || event->IsCancelled()) return true;
  if (id.GetUid() == kDestroyUid) {
    for (const ns3::EventId& pending : destroy_events_) {
      if (pending == id) return false;
    }
    return true;
  }
  const auto at = static_cast<int64_t>(id.GetTs());
  if (at != now_ns()) return at < now_ns();
  return last_ns_ == at && id.GetUid() <= last_uid_;
}

ns3::Time QueueSimulator::GetDelayLeft(const ns3::EventId& id) const {
  if (IsExpired(id)) return ns3::TimeStep(0);
  return ns3::TimeStep(id.GetTs() - static_cast<uint64_t>(now_ns()));
}

void QueueSimulator::Run() {
  stopped_ = false;
  queue_.run();
}

void QueueSimulator::Stop() {
  stopped_ = true;
  queue_.stop();
}

void QueueSimulator::Stop(const ns3::Time& delay) {
  ns3::Simulator::Schedule(delay, &ns3::Simulator::Stop);
}

bool QueueSimulator::IsFinished() const { return stopped_ || queue_.empty(); }

ns3::Time QueueSimulator::Now() const { return ns3::TimeStep(static_cast<uint64_t>(now_ns())); }

ns3::Time QueueSimulator::GetMaximumSimulationTime() const {
  return ns3::TimeStep(0x7fffffffffffffffULL);
}

void QueueSimulator::SetScheduler(ns3::ObjectFactory /*factory*/) {}  // the queue is the scheduler

uint32_t QueueSimulator::GetSystemId() const { return 0; }

}  // namespace dashi
