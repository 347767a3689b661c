// Int8 matmul on Armv8-A Advanced SIMD: products in int16, added in pairs.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "../../kernels.h"

#pragma STDC FP_CONTRACT OFF

#include "../../Vectors/int8_neon_lanes.h"

// Two neighbouring products of at most 127 * 128 fit an int16 only one at a time: they are added as int32.
INLINE_OP int32x4_t dot(int32x4_t sum, int8x16_t w, int8x16_t x) {
  const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(x)));
  const int32x4_t high = vpaddlq_s16(vmull_high_s8(w, x));
  return vaddq_s32(sum, vpaddq_s32(low, high));
}
INLINE_OP i16 i16_dot(i16 sum, w64 w, const uint8_t *x) {
  int32_t four;
  memcpy(&four, x, sizeof four);
  const int8x16_t broadcast = vreinterpretq_s8_s32(vdupq_n_s32(four));
  QUARTERS sum.q[i] = dot(sum.q[i], w.q[i], broadcast);
  return sum;
}

#include "../../Formats/level_lanes.h"
#include "../../Formats/block_lanes.h"

#define ROWS_CASES(DO) DO(1, 2) DO(2, 1) DO(3, 1) DO(4, 1)
#define MAX_ROWS 4
#define BLOCK_ROWS 1
#define BLOCK_PANELS 2
#define OFTEN_ROWS 0
#define NATIVE(name) ck_neon_int8_##name
#define KERNELS_NAME ck_int8_rows_neon
#include "matmul_int8_kernel.inc"
#endif
