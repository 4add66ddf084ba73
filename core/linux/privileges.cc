#include "core/linux/privileges.hh"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include <cstdint>

namespace dashi {

bool drop_privileges() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  // Two words of 32 capabilities each.
  __user_cap_data_struct held[2] = {};
  if (::syscall(SYS_capget, &header, held) != 0) return false;
  const uint32_t kept[2] = {1u << CAP_NET_RAW | 1u << CAP_NET_BIND_SERVICE, 0};
  for (int word = 0; word < 2; ++word) {
    held[word].permitted &= kept[word];
    held[word].effective &= kept[word];
    held[word].inheritable = 0;
  }
  // Ambient capabilities go with the inheritable ones.
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::syscall(SYS_capset, &header, held) == 0;
}

}  // namespace dashi
