// Buffers of exactly the size that is asked for, numbers to fill them with, and what was found wrong.
#ifndef SANITIZED_BUFFERS_H
#define SANITIZED_BUFFERS_H
#include <CKernels.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 1;

// From -2 to 2 (xorshift).
static float number(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (float)(state >> 40) * 0x1p-22f - 2;
}

static void *allocated(size_t bytes) {
  void *memory = malloc(bytes ? bytes : 1);
  if (!memory) abort();
  return memory;
}

// Aligned as panels and rows are.
static void *aligned(size_t bytes) {
  void *memory = aligned_alloc(64, bytes);
  if (!memory || bytes % 64) abort();
  memset(memory, 0, bytes);
  return memory;
}

static float *numbers(size_t count) {
  float *values = allocated(count * sizeof(float));
  for (size_t i = 0; i < count; i++) values[i] = number();
  return values;
}

static float *copy(const float *values, size_t count) {
  float *copied = allocated(count * sizeof(float));
  memcpy(copied, values, count * sizeof(float));
  return copied;
}

static int failures = 0;

static void hold(const void *found, const void *expected, size_t bytes, const char *what, ck_isa isa, size_t a,
                 size_t b) {
  if (memcmp(found, expected, bytes) == 0) return;
  if (failures++ < 20) printf("%s differs from the reference: instruction set %d, %zu, %zu\n", what, isa, a, b);
}
#endif
