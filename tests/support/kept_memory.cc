#include "tests/support/kept_memory.hh"

#include <signal.h>
#include <sys/mman.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

constexpr std::size_t kHeader = alignof(std::max_align_t);  // where a block's class is kept
constexpr std::size_t kClasses = 24;                        // powers of two, of bytes
constexpr std::size_t kArenaBytes = std::size_t{4} << 20;

// Blocks given back are kept for the next of their size: malloc would be half the time of a small world.
struct Spare {
  Spare* next;
};
using Spares = std::array<Spare*, kClasses>;

// At the begin of its own memory, so that it is copied with it.
struct Arena {
  std::size_t used;
  Spares spares;
};

constexpr std::size_t kPage = 4096;
constexpr std::size_t kPages = kArenaBytes / kPage;

thread_local Spares spares{};  // outside; never given back to the system
thread_local char* arena = nullptr;
thread_local bool inside = false;
thread_local char* settled = nullptr;                 // the arena as it was when it settled
thread_local std::array<uint16_t, kPages> written{};  // pages, as they were first written to since
thread_local std::size_t written_count = 0;

constexpr std::size_t kArenaBegin = 256;  // of its blocks
static_assert(sizeof(Arena) <= kArenaBegin);

Arena& the_arena() {
  if (arena == nullptr) {
    arena = static_cast<char*>(std::aligned_alloc(kPage, kArenaBytes));
    settled = static_cast<char*>(std::malloc(kArenaBytes));
    if (arena == nullptr || settled == nullptr) std::abort();
    *new (arena) Arena{} = {kArenaBegin, {}};
  }
  return *reinterpret_cast<Arena*>(arena);
}

bool is_inside(const void* pointer) {
  const auto at = reinterpret_cast<std::uintptr_t>(pointer);
  const auto from = reinterpret_cast<std::uintptr_t>(arena);
  return arena != nullptr && at >= from && at < from + kArenaBytes;
}

char* grow(std::size_t bytes) {
  Arena& into = the_arena();
  if (bytes > kArenaBytes - into.used) std::abort();
  char* block = arena + into.used;
  into.used += bytes;
  return block;
}

std::size_t block_of(std::size_t klass) { return (std::size_t{1} << klass) + kHeader; }

void* take(std::size_t size) {
  const auto wanted =
      static_cast<std::size_t>(std::bit_width((size < kHeader ? kHeader : size) - 1));
  Spares& kept = inside ? the_arena().spares : spares;
  char* block = nullptr;
  if (wanted < kClasses && kept[wanted] != nullptr) {
    block = reinterpret_cast<char*>(kept[wanted]);
    kept[wanted] = kept[wanted]->next;
  } else {
    block = inside ? grow(block_of(wanted)) : static_cast<char*>(std::malloc(block_of(wanted)));
    if (block == nullptr) std::abort();
  }
  *reinterpret_cast<std::size_t*>(block) = wanted;
  return block + kHeader;
}

void give_back(void* pointer) {
  if (pointer == nullptr) return;
  char* block = static_cast<char*>(pointer) - kHeader;
  const std::size_t size = *reinterpret_cast<std::size_t*>(block);
  const bool ours = is_inside(block);
  if (size >= kClasses) {
    if (!ours) std::free(block);
    return;
  }
  Spares& kept = ours ? the_arena().spares : spares;
  kept[size] = new (block) Spare{kept[size]};
}

// Few are: what is given back inside is not used again.
void* take_aligned(std::size_t size, std::size_t alignment) {
  const std::size_t whole = (size + alignment - 1) / alignment * alignment;
  void* block = nullptr;
  if (inside) {
    grow((alignment - the_arena().used % alignment) % alignment);
    block = grow(whole);
  } else {
    block = std::aligned_alloc(alignment, whole);
  }
  if (block == nullptr) std::abort();
  return block;
}

void give_back_aligned(void* pointer) {
  if (!is_inside(pointer)) std::free(pointer);
}

char* page(char* in, std::size_t number) { return in + number * kPage; }

void protect(std::size_t from, std::size_t bytes, int how) {
  if (mprotect(arena + from, bytes, how) != 0) std::abort();
}

void first_write(int /*signal*/, siginfo_t* info, void* /*context*/) {
  const char* at = static_cast<const char*>(info->si_addr);
  if (!is_inside(at) || written_count == kPages) std::abort();
  const auto number = static_cast<std::size_t>(at - arena) / kPage;
  written[written_count++] = static_cast<uint16_t>(number);
  protect(number * kPage, kPage, PROT_READ | PROT_WRITE);
}

}  // namespace

namespace dashi::kept_memory {

Inside::Inside() { inside = true; }
Inside::~Inside() { inside = false; }

void clear() {
  if (arena != nullptr) protect(0, kArenaBytes, PROT_READ | PROT_WRITE);
  the_arena() = {kArenaBegin, {}};
  written_count = 0;
}

void settle() {
  struct sigaction action {};
  action.sa_sigaction = first_write;
  action.sa_flags = SA_SIGINFO;
  if (sigaction(SIGSEGV, &action, nullptr) != 0) std::abort();
  std::memcpy(settled, arena, the_arena().used);
  protect(0, kArenaBytes, PROT_READ);
}

void keep(std::vector<uint8_t>& copy) {
  copy.resize(written_count * kPage);
  for (std::size_t i = 0; i < written_count; ++i) {
    std::memcpy(copy.data() + i * kPage, page(arena, written[i]), kPage);
  }
}

// A page that was first written to after the copy was in it as it had settled.
void put_back(const std::vector<uint8_t>& copy) {
  const std::size_t count = copy.size() / kPage;
  for (std::size_t i = 0; i < written_count; ++i) {
    const void* from =
        i < count ? static_cast<const void*>(copy.data() + i * kPage) : page(settled, written[i]);
    std::memcpy(page(arena, written[i]), from, kPage);
  }
}

}  // namespace dashi::kept_memory

void* operator new(std::size_t size) { return take(size); }
void* operator new[](std::size_t size) { return take(size); }
void operator delete(void* pointer) noexcept { give_back(pointer); }
void operator delete[](void* pointer) noexcept { give_back(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { give_back(pointer); }
void operator delete[](void* pointer, std::size_t) noexcept { give_back(pointer); }

void* operator new(std::size_t size, std::align_val_t alignment) {
  return take_aligned(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* pointer, std::align_val_t) noexcept { give_back_aligned(pointer); }
void operator delete(void* pointer, std::size_t, std::align_val_t) noexcept {
  give_back_aligned(pointer);
}
