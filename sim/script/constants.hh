// The names that a call's flags and commands have: MSG_PEEK, O_NONBLOCK|O_RDWR, with Linux's numbers, so
// that a script may write either. Socket options are not here: socket_options knows them by name.
#pragma once

#include <optional>
#include <string>

#include "sim/script/script.hh"

namespace dashi::script {

constexpr int64_t kPollIn = 0x41;    // POLLIN|POLLRDNORM: Linux sets both
constexpr int64_t kPollOut = 0x104;  // POLLOUT|POLLWRNORM
constexpr int64_t kPollErr = 0x8;
constexpr int64_t kPollHup = 0x10;
constexpr int64_t kPollNval = 0x20;
constexpr int64_t kPollRdHup = 0x2000;
constexpr int64_t kEpollOneShot = int64_t{1} << 30;
constexpr int64_t kEpollEdge = int64_t{1} << 31;

// A number, a name or several with | between; a name that is none, or something else: nothing.
std::optional<int64_t> number_of(const Value& value);
// 0x12 as "POLLPRI|POLLHUP", of the names that begin so; bits without a name in hexadecimal.
std::string names_of(int64_t bits, std::string_view prefix);
// The first name in the call's arguments that does not belong where it stands; null: there is none.
const Value* misnamed(const CallSpec& call);
// Of {name=value, ...}; null if it has no such member.
const Value* member(const Value& structure, const char* name);

}  // namespace dashi::script
