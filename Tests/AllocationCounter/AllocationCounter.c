// The C library's allocation functions under their public names: what the test program defines goes before what the C
// library does, for the Swift runtime too. glibc offers its own under these other names.
#include "AllocationCounter.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

// In the program's own thread-local block, which is there before anything can be allocated.
static _Thread_local int counting;
static _Thread_local int64_t requests;

static __attribute__((unused)) void count(void) {
  if (!counting) return;
  ++requests;
}

void allocation_counter_start(void) {
  requests = 0;
  counting = 1;
}

int64_t allocation_counter_stop(void) {
  counting = 0;
  return requests;
}

int allocation_counter_pause(void) {
  const int was_counting = counting;
  counting = 0;
  return was_counting;
}

void allocation_counter_resume(int was_counting) { counting = was_counting; }

// The sanitizers define these functions themselves, and need them before anything else runs.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
int allocation_counter_sees(void) { return 0; }
#else
int allocation_counter_sees(void) { return 1; }

void *malloc(size_t size) {
  count();
  return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
  count();
  return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size) {
  count();
  return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
  count();
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **memory, size_t alignment, size_t size) {
  if (alignment % sizeof(void *) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
  *memory = memalign(alignment, size);
  return *memory == NULL ? ENOMEM : 0;
}
#endif
