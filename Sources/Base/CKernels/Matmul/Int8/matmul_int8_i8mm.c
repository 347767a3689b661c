// Int8 matmul on Armv8.6 with the matrix instructions: SMMLA multiplies two rows of eight columns with two more.
//
// With few rows the levels' way to signed bytes costs more than the matrices bring: counted, not measured.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "../../kernels.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("dotprod,i8mm"))), apply_to = function)

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

#define TILE_ROWS 4
#define MIN_ROWS 4
#define FEW_ROWS ck_int8_rows_dotprod

// Eight columns of each row side by side: what SMMLA wants of two rows is a register.
INLINE_OP void eight_store(uint8_t *p, w64 a, w64 b) {
  QUARTERS {
    const int32x4_t first = vreinterpretq_s32_s8(a.q[i]), second = vreinterpretq_s32_s8(b.q[i]);
    vst1q_s8((int8_t *)p + 32 * i, vreinterpretq_s8_s32(vzip1q_s32(first, second)));
    vst1q_s8((int8_t *)p + 32 * i + 16, vreinterpretq_s8_s32(vzip2q_s32(first, second)));
  }
}

INLINE_OP void tiles_begin(size_t columns, size_t m) { (void)columns, (void)m; }
INLINE_OP void tiles_end(void) {}

// The sums of two rows and two lanes are a register. An odd row is multiplied twice, and its second sums are nobody's.
INLINE_OP void pair_products(const size_t pairs, const size_t columns, size_t rows, const uint8_t *x, size_t x_stride,
                             const uint8_t *w, int32_t *sums) {
  int32x4_t chains[2][8];
#pragma clang loop unroll(full)
  for (size_t p = 0; p < pairs; p++) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) chains[p][i] = vdupq_n_s32(0);
  }
  for (size_t k = 0; k < columns; k += 8) {
    int8x16_t two[2];
#pragma clang loop unroll(full)
    for (size_t p = 0; p < pairs; p++) {
      const int8_t *const first = (const int8_t *)x + 2 * p * x_stride + k;
      two[p] = vcombine_s8(vld1_s8(first), vld1_s8(2 * p + 1 < rows ? first + x_stride : first));
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) {
      const int8x16_t lanes = vld1q_s8((const int8_t *)w + k * CK_PANEL + 16 * i);
#pragma clang loop unroll(full)
      for (size_t p = 0; p < pairs; p++) chains[p][i] = vmmlaq_s32(chains[p][i], two[p], lanes);
    }
  }
#pragma clang loop unroll(full)
  for (size_t p = 0; p < pairs; p++) {
    int32_t *const first = sums + 2 * p * CK_PANEL;
    QUARTERS {
      const int32x4_t a = chains[p][2 * i], b = chains[p][2 * i + 1];
      vst1q_s32(first + 4 * i, vcombine_s32(vget_low_s32(a), vget_low_s32(b)));
      vst1q_s32(first + CK_PANEL + 4 * i, vcombine_s32(vget_high_s32(a), vget_high_s32(b)));
    }
  }
}

INLINE_OP void tile_products(const size_t columns, size_t rows, bool is_large, size_t panels, const uint8_t *x,
                             size_t x_stride, const uint8_t *w, size_t w_stride, int32_t *sums) {
  (void)is_large;
  for (size_t p = 0; p < panels; p++, w += w_stride, sums += TILE_ROWS * CK_PANEL) {
    if (rows > 2) pair_products(2, columns, rows, x, x_stride, w, sums);
    else pair_products(1, columns, rows, x, x_stride, w, sums);
  }
}

#define KERNELS_NAME ck_int8_rows_i8mm
#include "matmul_int8_tiles.inc"

#pragma clang attribute pop
#endif
