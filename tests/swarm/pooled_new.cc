// What is given back is kept for the next of its size: a program that makes the same small world a million
// times spends half its time in malloc otherwise. Nothing is ever given back to the system.
#include <array>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

constexpr std::size_t kHeader = alignof(std::max_align_t);  // where a block's class is kept
constexpr std::size_t kClasses = 24;                        // powers of two, of bytes

struct Spare {
  Spare* next;
};
std::array<Spare*, kClasses> spares{};

void* take(std::size_t size) {
  const auto wanted = static_cast<std::size_t>(std::bit_width(size + kHeader - 1));
  void* block = nullptr;
  if (wanted < kClasses && spares[wanted] != nullptr) {
    block = spares[wanted];
    spares[wanted] = spares[wanted]->next;
  } else {
    block = std::malloc(std::size_t{1} << wanted);
    if (block == nullptr) std::abort();
  }
  *static_cast<std::size_t*>(block) = wanted;
  return static_cast<char*>(block) + kHeader;
}

void give_back(void* p) {
  if (p == nullptr) return;
  void* block = static_cast<char*>(p) - kHeader;
  const std::size_t its = *static_cast<std::size_t*>(block);
  if (its >= kClasses) return std::free(block);
  spares[its] = new (block) Spare{spares[its]};
}

}  // namespace

void* operator new(std::size_t size) { return take(size); }
void* operator new[](std::size_t size) { return take(size); }
void operator delete(void* p) noexcept { give_back(p); }
void operator delete[](void* p) noexcept { give_back(p); }
void operator delete(void* p, std::size_t) noexcept { give_back(p); }
void operator delete[](void* p, std::size_t) noexcept { give_back(p); }
