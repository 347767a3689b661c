// Memory that is brought into caches before it is needed.
#include "fetch.h"

#include <stdint.h>

#define FETCH_LINE 64

void ck_fetch(const void *memory, size_t bytes) {
  const volatile uint8_t *const base = memory;
  for (size_t at = 0; at < bytes; at += FETCH_LINE) (void)base[at];
}
