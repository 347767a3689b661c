// What the files that quantise weights share.
#ifndef C_KERNELS_QUANTIZE_INTERNAL_H
#define C_KERNELS_QUANTIZE_INTERNAL_H
#include "matmul_internal.h"
#include "quantize.h"

// The largest magnitude among the levels of either format.
#define ck_q_largest_level 127

// The index of level 0.
#define ck_q4_zero 7

// The levels of Q4's indices. Fitted by Lloyd's algorithm to blocks of 64 Gaussian values, each divided by the block scale
// of least squared error; one level is zero. Root mean square error 0.0841 of the standard deviation.
#define CK_Q4_LEVELS \
  { -122, -91, -70, -53, -38, -25, -12, 0, 11, 22, 34, 47, 61, 77, 98, 127 }

// From which integer on a level is taken instead of the one before it (unused for the first): the middle, rounded up.
#define CK_Q4_THRESHOLDS \
  { 0, -106, -80, -61, -45, -31, -18, -6, 6, 17, 28, 41, 54, 69, 88, 113 }

// The byte of the smallest block scale that is at least `ratio`, or the largest there is.
static inline int ck_q_code(float ratio) {
  if (!(ratio > 0x1p-15f)) return 0;
  if (!(ratio < 1.9375f)) return 255;
  uint32_t bits;
  memcpy(&bits, &ratio, sizeof bits);
  return (int)((bits - 0x38000000u + 0x7FFFFu) >> 19);
}

void ck_portable_quantize_row(ck_format format, const float *x, size_t k, uint8_t *elements, uint8_t *block_scales,
                              float *row_scale);
#if defined(__x86_64__)
void ck_avx2_quantize_row(ck_format format, const float *x, size_t k, uint8_t *elements, uint8_t *block_scales,
                          float *row_scale);
void ck_avx512_quantize_row(ck_format format, const float *x, size_t k, uint8_t *elements, uint8_t *block_scales,
                            float *row_scale);
#endif
#endif
