#define _GNU_SOURCE
#include "CHost.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static _Atomic int requested;
static _Atomic int interrupts;

static void on_signal(int number) {
  atomic_store(&requested, 1);
  if (number == SIGINT && atomic_fetch_add(&interrupts, 1) > 0) _exit(130);
}

static void on_early_signal(int number) {
  (void)number;
  _exit(0);
}

static int install(void (*handler)(int)) {
  const int signals[] = {SIGINT, SIGTERM, SIGUSR1};
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
    if (sigaction(signals[i], &action, NULL) != 0) return errno;
  return 0;
}

int host_interrupt_install(void) { return install(on_signal); }

int host_interrupt_leave(void) { return install(on_early_signal); }

int host_interrupt_requested(void) { return atomic_load_explicit(&requested, memory_order_relaxed); }
