// What processors make of subnormal numbers where they take and give zeros for them: for the portable references.
#ifndef CK_FLUSHED_H
#define CK_FLUSHED_H
#include <math.h>

static inline float flushed(float value) { return fabsf(value) < 0x1p-126f ? copysignf(0.0f, value) : value; }

// What is least of the normal numbers may be so by rounding only: it counts as zero unless it still is when the
// exponent has no end, 2^64 times as large. Operands are small enough for that then.
static inline float flushed_fma(float a, float b, float c) {
  const float sum = fmaf(a, b, c);
  if (fabsf(sum) == 0x1p-126f && fabsf(fmaf(a * 0x1p64f, b, c * 0x1p64f)) < 0x1p-62f) return copysignf(0.0f, sum);
  return flushed(sum);
}
#endif
