// Buffers of exactly the size that is asked for, numbers to fill them with, and what was found wrong.
#ifndef SANITIZED_BUFFERS_H
#define SANITIZED_BUFFERS_H
#include <CKernels.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What numbers there are: from -2 to 2; the ends of what is common, which rounding and sums of integers meet; and,
// among those from -2 to 2, a few that are infinite, subnormal or none; and such whose products are about the least
// normal number.
typedef enum { TAME, EXTREME, WILD, LEAST, KINDS } number_kind;
static number_kind kind = TAME;

static uint64_t state = 1;

// xorshift
static uint64_t bits(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state >> 16;
}

static float number(void) {
  static const float ends[] = {2, -2, 1.9999f, -1.9999f, 0, -0.0f, 1e-40f, -0x1p-126f, 1e-20f, -1e15f, 1e15f, 2};
  static const float rare[] = {INFINITY, -INFINITY, NAN, 1e-40f, -1e-40f, 3e38f, -3e38f, 0x1p-126f};
  const uint64_t drawn = bits();
  if (kind == EXTREME && drawn % 4) return ends[drawn / 4 % (drawn % 8 ? 4 : sizeof ends / sizeof *ends)];
  if (kind == WILD && drawn % 256 == 0) return rare[drawn / 256 % (sizeof rare / sizeof *rare)];
  if (kind == LEAST) return ldexpf(drawn & 1 ? 8 : -9, -66 - (int)(drawn / 2 % 16));
  return (float)(drawn >> 24) * 0x1p-22f - 2;
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

static void report(const char *what, ck_isa isa, size_t a, size_t b) {
  if (failures++ < 20) printf("%s differs from the reference: %s, %zu, %zu\n", what, ck_isa_name(isa), a, b);
}

static void hold(const void *found, const void *expected, size_t bytes, const char *what, ck_isa isa, size_t a,
                 size_t b) {
  if (memcmp(found, expected, bytes)) report(what, isa, a, b);
}

// The same bits, or NaN both.
static void hold_numbers(const float *found, const float *expected, size_t count, const char *what, ck_isa isa,
                         size_t a, size_t b) {
  for (size_t i = 0; i < count; i++) {
    if (memcmp(found + i, expected + i, sizeof(float)) == 0 || (isnan(found[i]) && isnan(expected[i]))) continue;
    report(what, isa, a, b);
    return;
  }
}
#endif
