#define _GNU_SOURCE
#include "CHost.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// Two lines: adjacent-line prefetchers pull cache lines in pairs.
#define LINE 128
// Arrivals are counted in groups, so that no cache line is fought over by more than this many workers.
#define GROUP 8
// How long a waiter spins before it also offers its core to other threads.
#define GENEROUS_NANOSECONDS 10000

// A Swift closure that does not escape is passed as a function and its context, and called with the context in the
// register of the Swift calling convention. Declared so, no closure has to be copied to the heap for each run.
typedef __attribute__((swiftcall)) void (*swift_body)(long worker, __attribute__((swift_context)) void *context);

// A word that waiters spin on and then sleep on. The count tells the signaller whether the wake call is needed.
typedef struct {
  _Alignas(LINE) _Atomic uint32_t value;
  _Atomic uint32_t sleepers;
} event;

typedef struct {
  _Alignas(LINE) _Atomic uint32_t arrived;
  uint32_t expected;
} arrival_group;

// A two-level counter: the last of each group goes on to `root`, the last there has seen everybody arrive.
typedef struct {
  arrival_group *groups;
  arrival_group root;
} arrivals;

typedef struct {
  struct host_pool *pool;
  pthread_t thread;
  long index;
  int core;
} worker;

struct host_pool {
  event start;   // counts runs; workers wait for the next
  event finish;  // the run that every worker has finished
  event phase;   // counts barriers
  arrivals finishing;
  arrivals barrier;
  _Alignas(LINE) swift_body body;
  void *context;
  _Atomic uint32_t busy;
  uint32_t stopping;
  long worker_count;
  uint64_t spin_nanoseconds;
  worker *workers;
  pid_t owner;  // thread to restore the affinity of; 0 when it was left alone
  size_t owner_set_size;
  cpu_set_t *owner_set;
};

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("isb" ::: "memory");  // `yield` is a no-op on most cores
#endif
}

static uint64_t now_nanoseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// Returns once `event` no longer holds `old`.
static void event_wait(event *event, uint32_t old, uint64_t spin_nanoseconds) {
  // A few hundred nanoseconds before the clock is read at all: a hot hand-over is shorter than that.
  for (int i = 0; i < 64; i++) {
    if (atomic_load_explicit(&event->value, memory_order_acquire) != old) return;
    relax();
  }
  if (spin_nanoseconds > 0) {
    uint64_t began = now_nanoseconds(), waited;
    do {
      for (int i = 0; i < 32; i++) {
        if (atomic_load_explicit(&event->value, memory_order_acquire) != old) return;
        relax();
      }
      waited = now_nanoseconds() - began;
      // Nobody else wants a core of our own, but on a shared one the worker we wait for may be next in line.
      if (waited > GENEROUS_NANOSECONDS) sched_yield();
    } while (waited < spin_nanoseconds);
  }
  // Sequentially consistent with event_set: either the setter sees the sleeper, or the kernel sees the new value.
  atomic_fetch_add(&event->sleepers, 1);
  while (atomic_load(&event->value) == old) {
    syscall(SYS_futex, (uint32_t *)&event->value, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
  }
  atomic_fetch_sub_explicit(&event->sleepers, 1, memory_order_relaxed);
}

static void event_set(event *event, uint32_t value) {
  atomic_store(&event->value, value);
  if (atomic_load(&event->sleepers) != 0) {
    syscall(SYS_futex, (uint32_t *)&event->value, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
  }
}

// True for the one worker that arrives last; by then the counters are ready for the next use.
static int arrive(arrivals *arrivals, long worker) {
  arrival_group *group = &arrivals->groups[worker / GROUP];
  if (atomic_fetch_add_explicit(&group->arrived, 1, memory_order_acq_rel) + 1 != group->expected) return 0;
  atomic_store_explicit(&group->arrived, 0, memory_order_relaxed);
  if (arrivals->root.expected == 1) return 1;
  if (atomic_fetch_add_explicit(&arrivals->root.arrived, 1, memory_order_acq_rel) + 1 != arrivals->root.expected) {
    return 0;
  }
  atomic_store_explicit(&arrivals->root.arrived, 0, memory_order_relaxed);
  return 1;
}

static int arrivals_create(arrivals *arrivals, long worker_count) {
  long group_count = (worker_count + GROUP - 1) / GROUP;
  void *memory = NULL;
  int error = posix_memalign(&memory, LINE, (size_t)group_count * sizeof(arrival_group));
  if (error != 0) return error;
  memset(memory, 0, (size_t)group_count * sizeof(arrival_group));
  arrivals->groups = memory;
  for (long g = 0; g < group_count; g++) {
    long rest = worker_count - g * GROUP;
    arrivals->groups[g].expected = (uint32_t)(rest < GROUP ? rest : GROUP);
  }
  arrivals->root.expected = (uint32_t)group_count;
  return 0;
}

// errno, or 0. Masks are sized for the core asked for: hosts with more than 1024 hardware threads exist.
static int pin_to_core(int core) {
  if (core < 0) return EINVAL;
  size_t size = CPU_ALLOC_SIZE(core + 1);
  cpu_set_t *set = CPU_ALLOC(core + 1);
  if (set == NULL) return ENOMEM;
  CPU_ZERO_S(size, set);
  CPU_SET_S(core, size, set);
  int error = sched_setaffinity(0, size, set) == 0 ? 0 : errno;
  CPU_FREE(set);
  return error;
}

static void *worker_main(void *argument) {
  worker *self = argument;
  host_pool *pool = self->pool;
  uint32_t seen = 0;
  for (;;) {
    event_wait(&pool->start, seen, pool->spin_nanoseconds);
    seen++;
    if (pool->stopping) return NULL;
    pool->body(self->index, pool->context);
    if (arrive(&pool->finishing, self->index)) event_set(&pool->finish, seen);
  }
}

// Runs body on every worker and returns when all have returned: WorkerPool.swift declares it for Swift. Aborts the
// process when called from inside a body, which could only deadlock.
__attribute__((swiftcall)) void host_pool_run(host_pool *pool, swift_body body, void *context);

__attribute__((swiftcall)) void host_pool_run(host_pool *pool, swift_body body, void *context) {
  if (atomic_exchange_explicit(&pool->busy, 1, memory_order_acquire) != 0) {
    fputs("WorkerPool.run was called while the same pool was running\n", stderr);
    abort();
  }
  if (pool->worker_count == 1) {
    body(0, context);
  } else {
    pool->body = body;
    pool->context = context;
    uint32_t run = atomic_load_explicit(&pool->start.value, memory_order_relaxed) + 1;
    event_set(&pool->start, run);
    body(0, context);
    if (arrive(&pool->finishing, 0)) {
      atomic_store_explicit(&pool->finish.value, run, memory_order_relaxed);
    } else {
      event_wait(&pool->finish, run - 1, pool->spin_nanoseconds);
    }
  }
  atomic_store_explicit(&pool->busy, 0, memory_order_release);
}

void host_pool_barrier(host_pool *pool, long worker) {
  if (pool->worker_count == 1) return;
  // Read before arriving: nobody can advance the phase until this worker has arrived.
  uint32_t phase = atomic_load_explicit(&pool->phase.value, memory_order_relaxed);
  if (arrive(&pool->barrier, worker)) {
    event_set(&pool->phase, phase + 1);
  } else {
    event_wait(&pool->phase, phase, pool->spin_nanoseconds);
  }
}

static void restore_owner(host_pool *pool) {
  if (pool->owner_set == NULL) return;
  if (pool->owner == (pid_t)syscall(SYS_gettid)) sched_setaffinity(0, pool->owner_set_size, pool->owner_set);
  CPU_FREE(pool->owner_set);
}

static int pin_owner(host_pool *pool, int core) {
  // The kernel refuses a mask smaller than its own: grow until it fits.
  for (int bits = 1024; bits <= 1 << 20; bits *= 2) {
    size_t size = CPU_ALLOC_SIZE(bits);
    cpu_set_t *set = CPU_ALLOC(bits);
    if (set == NULL) return ENOMEM;
    if (sched_getaffinity(0, size, set) == 0) {
      pool->owner = (pid_t)syscall(SYS_gettid);
      pool->owner_set = set;
      pool->owner_set_size = size;
      return pin_to_core(core);
    }
    int error = errno;
    CPU_FREE(set);
    if (error != EINVAL) return error;
  }
  return EINVAL;
}

static void release(host_pool *pool, long started) {
  pool->stopping = 1;
  if (started > 0) event_set(&pool->start, atomic_load(&pool->start.value) + 1);
  for (long i = 1; i <= started; i++) pthread_join(pool->workers[i].thread, NULL);
  restore_owner(pool);
  free(pool->workers);
  free(pool->finishing.groups);
  free(pool->barrier.groups);
  free(pool);
}

// A sanitizer's builds are not optimised: a kernel's frame takes megabytes there.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { STACK_FACTOR = 16 };
#else
enum { STACK_FACTOR = 1 };
#endif

// Starts one thread, on its core from its first instruction: its stack and first allocations land on that node.
static int start_worker(worker *worker, size_t stack_byte_count) {
  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  if (error != 0) return error;
  cpu_set_t *set = NULL;
  error = pthread_attr_setstacksize(&attributes, STACK_FACTOR * stack_byte_count);
  if (error == 0 && worker->core >= 0) {
    size_t size = CPU_ALLOC_SIZE(worker->core + 1);
    set = CPU_ALLOC(worker->core + 1);
    if (set == NULL) {
      error = ENOMEM;
    } else {
      CPU_ZERO_S(size, set);
      CPU_SET_S(worker->core, size, set);
      error = pthread_attr_setaffinity_np(&attributes, size, set);
    }
  }
  if (error == 0) error = pthread_create(&worker->thread, &attributes, worker_main, worker);
  if (set != NULL) CPU_FREE(set);
  pthread_attr_destroy(&attributes);
  return error;
}

host_pool *host_pool_create(long worker_count, const int *cores, uint64_t spin_nanoseconds, size_t stack_byte_count,
                            int *error) {
  void *memory = NULL;
  *error = worker_count < 1 ? EINVAL : posix_memalign(&memory, LINE, sizeof(host_pool));
  if (*error != 0) return NULL;
  host_pool *pool = memset(memory, 0, sizeof(host_pool));
  pool->worker_count = worker_count;
  pool->spin_nanoseconds = spin_nanoseconds;
  pool->workers = calloc((size_t)worker_count, sizeof(worker));
  long started = 0;
  *error = pool->workers == NULL ? ENOMEM : arrivals_create(&pool->finishing, worker_count);
  if (*error == 0) *error = arrivals_create(&pool->barrier, worker_count);
  if (*error == 0 && cores != NULL) *error = pin_owner(pool, cores[0]);
  for (long i = 1; i < worker_count && *error == 0; i++) {
    pool->workers[i] = (worker){.pool = pool, .index = i, .core = cores == NULL ? -1 : cores[i]};
    *error = start_worker(&pool->workers[i], stack_byte_count);
    if (*error == 0) started = i;
  }
  if (*error == 0) return pool;
  release(pool, started);
  return NULL;
}

void host_pool_destroy(host_pool *pool) { release(pool, pool->worker_count - 1); }

long host_allowed_cores(int *cores, long capacity) {
  for (int bits = 1024; bits <= 1 << 20; bits *= 2) {
    size_t size = CPU_ALLOC_SIZE(bits);
    cpu_set_t *set = CPU_ALLOC(bits);
    if (set == NULL) return -ENOMEM;
    CPU_ZERO_S(size, set);
    if (sched_getaffinity(0, size, set) == 0) {
      long count = 0;
      for (int core = 0; core < bits; core++) {
        if (!CPU_ISSET_S(core, size, set)) continue;
        if (count < capacity) cores[count] = core;
        count++;
      }
      CPU_FREE(set);
      return count;
    }
    int error = errno;
    CPU_FREE(set);
    if (error != EINVAL) return -error;
  }
  return -EINVAL;
}
