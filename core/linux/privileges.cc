#include "core/linux/privileges.hh"

#include <grp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include <cstdint>

namespace dashi {
namespace {

constexpr uid_t kNobody = 65534;  // nogroup, too

// Of root of a user namespace that maps nobody else, or of one without the right to change, nothing more is
// asked: the first is only its user outside.
bool become_nobody() {
  if (::setresgid(kNobody, kNobody, kNobody) != 0) return true;
  return ::setgroups(0, nullptr) == 0 && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 &&
         ::setresuid(kNobody, kNobody, kNobody) == 0;
}

}  // namespace

bool drop_privileges(bool has_command) {
  const bool root = ::geteuid() == 0;
  if (root && !become_nobody()) return false;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  // Two words of 32 capabilities each.
  __user_cap_data_struct held[2] = {};
  if (::syscall(SYS_capget, &header, held) != 0) return false;
  uint32_t kept[2] = {1u << CAP_NET_RAW | 1u << CAP_NET_BIND_SERVICE, 0};
  if (root && has_command) kept[0] |= 1u << CAP_KILL;
  for (int word = 0; word < 2; ++word) {
    held[word].permitted &= kept[word];
    held[word].effective = held[word].permitted;  // changing users took them
    held[word].inheritable = 0;
  }
  // Ambient capabilities go with the inheritable ones.
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::syscall(SYS_capset, &header, held) == 0;
}

}  // namespace dashi
