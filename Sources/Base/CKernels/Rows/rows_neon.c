// Rounding of rows on Armv8-A Advanced SIMD.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "rows_internal.h"

#pragma STDC FP_CONTRACT OFF

static void round_bf16(const float *x, size_t count, uint16_t *out) {
  for (size_t i = 0; i < count; i++) out[i] = ck_bf16_rounded(x[i]);
}

static void round_int8(const float *x, size_t count, int8_t *levels, float *scale, int16_t sums[2]) {
  float copy[CK_Q_BLOCK] = {0};
  if (count < CK_Q_BLOCK) {
    memcpy(copy, x, count * sizeof(float));
    x = copy;
  }
  // Magnitudes compare as integers; infinity and NaN above all.
  uint32x4_t largest = vdupq_n_u32(0);
  for (size_t i = 0; i < CK_Q_BLOCK; i += 4) {
    largest = vmaxq_u32(largest, vandq_u32(vreinterpretq_u32_f32(vld1q_f32(x + i)), vdupq_n_u32(0x7FFFFFFF)));
  }
  const uint32_t bits = vmaxvq_u32(largest);
  const bool finite = bits < 0x7F800000;
  const float magnitude = ck_float_from_bits(bits);
  *scale = ck_int8_scale(magnitude, finite);
  const float factor = ck_int8_factor(magnitude, finite);
  int32x4_t sum = vdupq_n_s32(0);
  for (size_t i = 0; i < CK_Q_BLOCK; i += 16) {
    int32x4_t level[4];
    for (size_t j = 0; j < 4; j++) {
      const float32x4_t v = vld1q_f32(x + i + 4 * j);
      level[j] = factor > 0 ? vcvtnq_s32_f32(vmulq_n_f32(v, factor)) : vdupq_n_s32(0);
      sum = vaddq_s32(sum, level[j]);
    }
    const int16x8_t low = vcombine_s16(vmovn_s32(level[0]), vmovn_s32(level[1]));
    const int16x8_t high = vcombine_s16(vmovn_s32(level[2]), vmovn_s32(level[3]));
    vst1q_s8(levels + i, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
    if (i % 32 == 0) continue;
    sums[i / 32] = (int16_t)vaddvq_s32(sum);
    sum = vdupq_n_s32(0);
  }
}

const ck_row_kernels ck_neon_rows = {round_bf16, round_int8};
#endif
