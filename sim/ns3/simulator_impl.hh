// ns-3's clock and scheduler, put on our event queue: one queue, one order, one clock for native
// links, the Nat's driver and every ns-3 model. It owns none of them: the queue is the world's, and
// outlives it; when ns-3 is destroyed the queue is cleared. It is not a scheduler of its own: ns-3's events are ordinary events of the queue, in
// the order in which they were scheduled, which is the order ns-3's own simulator gives them.
//
// Native code that calls into ns-3 (a frame arriving at a guest's device) does so inside a
// ContextScope, so that what ns-3 schedules then belongs to the right node.
#pragma once

#include <ns3/simulator-impl.h>

#include <cstdint>
#include <list>

#include "sim/event_queue.hh"

namespace dashi {

class QueueSimulator final : public ns3::SimulatorImpl {
 public:
  static ns3::TypeId GetTypeId();
  explicit QueueSimulator(EventQueue& queue);
  ~QueueSimulator() override;

  void Destroy() override;
  bool IsFinished() const override;
  void Stop() override;
  void Stop(const ns3::Time& delay) override;
  ns3::EventId Schedule(const ns3::Time& delay, ns3::EventImpl* event) override;
  void ScheduleWithContext(uint32_t context, const ns3::Time& delay,
                           ns3::EventImpl* event) override;
  ns3::EventId ScheduleNow(ns3::EventImpl* event) override;
  ns3::EventId ScheduleDestroy(ns3::EventImpl* event) override;
  void Remove(const ns3::EventId& id) override;
  void Cancel(const ns3::EventId& id) override;
  bool IsExpired(const ns3::EventId& id) const override;
  void Run() override;
  ns3::Time Now() const override;
  ns3::Time GetDelayLeft(const ns3::EventId& id) const override;
  ns3::Time GetMaximumSimulationTime() const override;
  void SetScheduler(ns3::ObjectFactory factory) override;
  uint32_t GetSystemId() const override;
  uint32_t GetContext() const override { return context_; }
  uint64_t GetEventCount() const override { return events_run_; }

 private:
  friend class ContextScope;
  static constexpr uint32_t kDestroyUid = 2;  // ns-3's EventId::UID::DESTROY
  static constexpr uint32_t kFirstUid = 4;    // ns-3's EventId::UID::VALID

  uint32_t push(const ns3::Time& delay, uint32_t context, ns3::EventImpl* event);
  void run_event(ns3::EventImpl& event, uint32_t context, uint32_t uid);
  int64_t now_ns() const { return nanoseconds(queue_.now()); }

  EventQueue& queue_;
  std::list<ns3::EventId> destroy_events_;
  uint32_t next_uid_ = kFirstUid;
  uint32_t context_;
  // The last ns-3 event that ran: at its instant, those with a higher uid are still to come.
  int64_t last_ns_ = -1;
  uint32_t last_uid_ = 0;
  uint64_t events_run_ = 0;
  bool stopped_ = false;
};

// While it lives, ns-3 believes that node `context` acts.
class ContextScope {
 public:
  ContextScope(QueueSimulator& simulator, uint32_t context)
      : simulator_(simulator), before_(simulator.context_) {
    simulator_.context_ = context;
  }
  ~ContextScope() { simulator_.context_ = before_; }
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

 private:
  QueueSimulator& simulator_;
  uint32_t before_;
};

}  // namespace dashi
