#include "sim/script/tcp_info.hh"

#include <array>

#include "core/tcp/connection.hh"

namespace dashi::script {
namespace {

using Info = GuestTcpInfo;

constexpr int64_t kOpen = 0;
constexpr int64_t kDisorder = 1;
constexpr int64_t kRecovery = 3;
constexpr int64_t kLoss = 4;
constexpr int64_t kHasTimestamps = 1;
constexpr int64_t kHasSack = 2;
constexpr int64_t kHasWindowScale = 4;

struct Constant {
  const char* name;
  int64_t value;
};
constexpr std::array<Constant, 24> kConstants{{{"TCP_ESTABLISHED", 1},
                                               {"TCP_SYN_SENT", 2},
                                               {"TCP_SYN_RECV", 3},
                                               {"TCP_FIN_WAIT1", 4},
                                               {"TCP_FIN_WAIT2", 5},
                                               {"TCP_TIME_WAIT", 6},
                                               {"TCP_CLOSE", 7},
                                               {"TCP_CLOSE_WAIT", 8},
                                               {"TCP_LAST_ACK", 9},
                                               {"TCP_LISTEN", 10},
                                               {"TCP_CLOSING", 11},
                                               {"TCP_CA_Open", kOpen},
                                               {"TCP_CA_Disorder", kDisorder},
                                               {"TCP_CA_CWR", 2},
                                               {"TCP_CA_Recovery", kRecovery},
                                               {"TCP_CA_Loss", kLoss},
                                               {"TCPI_OPT_TIMESTAMPS", kHasTimestamps},
                                               {"TCPI_OPT_SACK", kHasSack},
                                               {"TCPI_OPT_WSCALE", kHasWindowScale},
                                               {"TCPI_OPT_ECN", 8},
                                               {"TCPI_OPT_ECN_SEEN", 16},
                                               {"TCPI_OPT_SYN_DATA", 32},
                                               {"TCP_INFINITE_SSTHRESH", 0x7fffffff},
                                               {"TCP_NEW_SYN_RECV", 12}}};

std::optional<int64_t> tcp_constant(const std::string& name) {
  for (const Constant& constant : kConstants) {
    if (name == constant.name) return constant.value;
  }
  return std::nullopt;
}

const char* constant_of(TcpState state) {
  switch (state) {
    case TcpState::kSynSent:
      return "TCP_SYN_SENT";
    case TcpState::kSynReceived:
      return "TCP_SYN_RECV";
    case TcpState::kEstablished:
      return "TCP_ESTABLISHED";
    case TcpState::kFinWait1:
      return "TCP_FIN_WAIT1";
    case TcpState::kFinWait2:
      return "TCP_FIN_WAIT2";
    case TcpState::kCloseWait:
      return "TCP_CLOSE_WAIT";
    case TcpState::kClosing:
      return "TCP_CLOSING";
    case TcpState::kLastAck:
      return "TCP_LAST_ACK";
    case TcpState::kTimeWait:
      return "TCP_TIME_WAIT";
    case TcpState::kClosed:
      break;
  }
  return "TCP_CLOSE";
}

int64_t segments(const Info& info, uint32_t bytes) {
  return info.mss == 0 ? 0 : (int64_t{bytes} + info.mss - 1) / info.mss;
}

int64_t microseconds(Duration time) { return time.count() / 1000; }

int64_t congestion_state(const Info& i) {
  if (i.in_recovery) return kRecovery;
  if (i.in_loss) return kLoss;
  return i.sacked != 0 ? kDisorder : kOpen;
}

struct Field {
  const char* name;
  int64_t (*value)(const Info&);
};
const std::array<Field, 23> kFields{
    {{"tcpi_state", [](const Info& i) { return *tcp_constant(constant_of(i.state)); }},
     {"tcpi_ca_state", congestion_state},
     {"tcpi_snd_cwnd", [](const Info& i) { return i.mss == 0 ? 0 : int64_t{i.cwnd} / i.mss; }},
     {"tcpi_snd_ssthresh",
      [](const Info& i) {
        const bool none = i.ssthresh >= Info::kNoThreshold;
        return none || i.mss == 0 ? int64_t{Info::kNoThreshold} : int64_t{i.ssthresh} / i.mss;
      }},
     {"tcpi_unacked", [](const Info& i) { return segments(i, i.unacknowledged); }},
     {"tcpi_sacked", [](const Info& i) { return segments(i, i.sacked); }},
     {"tcpi_lost", [](const Info& i) { return segments(i, i.lost); }},
     {"tcpi_rto", [](const Info& i) { return microseconds(i.rto); }},
     {"tcpi_rtt", [](const Info& i) { return microseconds(i.smoothed_rtt); }},
     {"tcpi_rttvar", [](const Info& i) { return microseconds(i.rtt_variation); }},
     {"tcpi_retransmits", [](const Info& i) { return i.probing ? 0 : int64_t{i.timeouts}; }},
     {"tcpi_backoff", [](const Info& i) { return int64_t{i.timeouts}; }},
     {"tcpi_probes", [](const Info& i) { return i.probing ? int64_t{i.timeouts} : 0; }},
     {"tcpi_snd_mss", [](const Info& i) { return int64_t{i.mss}; }},
     {"tcpi_snd_wnd", [](const Info& i) { return int64_t{i.send_window}; }},
     {"tcpi_rcv_wnd", [](const Info& i) { return int64_t{i.receive_window}; }},
     {"tcpi_snd_wscale",
      [](const Info& i) { return i.window_scaling ? int64_t{i.send_scale} : 0; }},
     {"tcpi_rcv_wscale",
      [](const Info& i) { return i.window_scaling ? int64_t{i.receive_scale} : 0; }},
     {"tcpi_bytes_acked", [](const Info& i) { return int64_t{i.acknowledged}; }},
     {"tcpi_bytes_received", [](const Info& i) { return int64_t{i.received}; }},
     {"tcpi_delivered_ce", [](const Info&) { return int64_t{0}; }},  // ECN is never agreed on
     {"tcpi_fastopen_client_fail", [](const Info&) { return int64_t{0}; }},
     {"tcpi_options", [](const Info& i) {
        return (i.timestamps ? kHasTimestamps : 0) | (i.sack ? kHasSack : 0) |
               (i.window_scaling ? kHasWindowScale : 0);
      }}}};

}  // namespace

std::optional<int64_t> tcp_info_value(const std::string& name,
                                      const std::optional<GuestTcpInfo>& info) {
  for (const Field& field : kFields) {
    if (info && name == field.name) return field.value(*info);
  }
  return tcp_constant(name);
}

}  // namespace dashi::script
