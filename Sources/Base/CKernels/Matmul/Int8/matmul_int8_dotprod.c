// Int8 matmul on Armv8.2 with the dot product instructions (SDOT).
#if defined(__aarch64__)
#include <arm_neon.h>

#include "../../kernels.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#include "../../Vectors/int8_neon_lanes.h"

INLINE_OP i16 i16_dot(i16 sum, w64 w, const uint8_t *x) {
  int32_t four;
  memcpy(&four, x, sizeof four);
  const int8x16_t broadcast = vreinterpretq_s8_s32(vdupq_n_s32(four));
  QUARTERS sum.q[i] = vdotq_s32(sum.q[i], w.q[i], broadcast);
  return sum;
}

#include "../../Formats/level_lanes.h"
#include "../../Formats/block_lanes.h"

#define ROWS_CASES(DO) DO(1, 4) DO(2, 2) DO(3, 1) DO(4, 1)
#define MAX_ROWS 4
#define BLOCK_ROWS 1
#define BLOCK_PANELS 2
#define OFTEN_ROWS 0
#define NATIVE(name) ck_dotprod_int8_##name
#define KERNELS_NAME ck_int8_rows_dotprod
#include "matmul_int8_kernel.inc"

#pragma clang attribute pop
#endif
