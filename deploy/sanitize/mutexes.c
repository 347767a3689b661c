// Shows the locks of Swift's Synchronization.Mutex to ThreadSanitizer: preloaded by deploy/sanitize.sh thread.
//
// A Mutex is one word. What locks and unlocks it at once is compiled into who calls, instrumented with all else, so the
// sanitizer sees those orders of memory. Where threads meet, the word is handed on in libswiftSynchronization and by
// the kernel (FUTEX_LOCK_PI), which are not instrumented: what the lock orders then looks like a race. The functions of
// the library that do so are called through these here, which tell the sanitizer what they order, by the same word.
// Nothing else is told: a race past a lock, or under another one, is reported as before.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))

// Of the sanitizer's run-time library, in the program that is checked. Programs without it, such as a shell that a test
// starts, get this file too: there these are absent.
extern void __tsan_acquire(void *address) __attribute__((weak));
extern void __tsan_release(void *address) __attribute__((weak));

typedef SWIFT void lock_function(uint32_t thread, SELF void *handle);
typedef SWIFT bool try_lock_function(SELF void *handle);
typedef SWIFT void unlock_function(SELF void *handle);

// Methods of Synchronization._MutexHandle. Another version of Swift may name them otherwise, and nobody would come by
// here: deploy/sanitize.sh first runs contention.swift, which fails then.
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

lock_function lock_slow __asm__(LOCK);
try_lock_function try_lock_slow __asm__(TRY_LOCK);
unlock_function unlock_slow __asm__(UNLOCK);

// The function that this file stands before.
static void *real(const char *name) {
  void *function = dlsym(RTLD_NEXT, name);
  if (function == NULL) {
    fprintf(stderr, "no function %s\n", name);
    abort();
  }
  return function;
}

static lock_function *real_lock;
static try_lock_function *real_try_lock;
static unlock_function *real_unlock;

// Before threads begin: a lock is no place to look for names. Programs without Swift's library have none of them.
__attribute__((constructor)) static void find(void) {
  if (dlsym(RTLD_NEXT, LOCK) == NULL) return;
  real_lock = (lock_function *)real(LOCK);
  real_try_lock = (try_lock_function *)real(TRY_LOCK);
  real_unlock = (unlock_function *)real(UNLOCK);
}

// thread: the caller's number, which is what the word holds while it is locked
SWIFT void lock_slow(uint32_t thread, SELF void *handle) {
  real_lock(thread, handle);
  if (__tsan_acquire != NULL) __tsan_acquire(handle);
}

SWIFT bool try_lock_slow(SELF void *handle) {
  bool locked = real_try_lock(handle);
  if (locked && __tsan_acquire != NULL) __tsan_acquire(handle);
  return locked;
}

SWIFT void unlock_slow(SELF void *handle) {
  if (__tsan_release != NULL) __tsan_release(handle);
  real_unlock(handle);
}
