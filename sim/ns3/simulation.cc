#include "sim/ns3/simulation.hh"

#include <ns3/boolean.h>
#include <ns3/global-value.h>
#include <ns3/internet-stack-helper.h>
#include <ns3/ipv4-address-generator.h>
#include <ns3/ipv6-address-generator.h>
#include <ns3/rng-seed-manager.h>
#include <ns3/simulator.h>

namespace dashi {

namespace {

bool g_live = false;  // mirrors ns-3's own globals: they allow one simulation a process

}  // namespace

bool Ns3Simulation::live() { return g_live; }

Ns3Simulation::Ns3Simulation(EventQueue& queue, uint64_t seed) : queue_(queue) {
  DASHI_CHECK(!g_live);
  g_live = true;
  simulator_ = ns3::CreateObject<QueueSimulator>(queue);
  ns3::Simulator::SetImplementation(simulator_);
  // ns-3 takes a seed of 32 bits that is not 0; the rest becomes its run number.
  ns3::RngSeedManager::SetSeed(static_cast<uint32_t>(seed % 4'294'967'295U) + 1);
  ns3::RngSeedManager::SetRun(seed / 4'294'967'295U + 1);
  ns3::GlobalValue::Bind("ChecksumEnabled", ns3::BooleanValue(true));
  ns3::Ipv4AddressGenerator::Reset();
  ns3::Ipv6AddressGenerator::Reset();
}

Ns3Simulation::~Ns3Simulation() {
  ns3::Simulator::Destroy();
  g_live = false;
}

void Ns3Simulation::install_internet(const ns3::NodeContainer& nodes) {
  ns3::InternetStackHelper stack;
  stack.Install(nodes);
  use_streams(stack.AssignStreams(nodes, next_stream_));
}

}  // namespace dashi
