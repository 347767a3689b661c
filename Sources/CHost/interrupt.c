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

int host_interrupt_install(void) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0) return errno;
  return 0;
}

int host_interrupt_requested(void) { return atomic_load_explicit(&requested, memory_order_relaxed); }
