// What the files that quantise weights share.
#ifndef C_KERNELS_QUANTIZE_INTERNAL_H
#define C_KERNELS_QUANTIZE_INTERNAL_H
#include "../Formats/formats.h"
#include "quantize.h"

// The largest magnitude among the levels of either format.
#define ck_q_largest_level 127

// The byte of the smallest block scale that is at least `ratio`, or the largest there is.
static inline int ck_q_code(float ratio) {
  if (!(ratio > 0x1p-15f)) return 0;
  if (!(ratio < 1.9375f)) return 255;
  uint32_t bits;
  memcpy(&bits, &ratio, sizeof bits);
  return (int)((bits - 0x38000000u + 0x7FFFFu) >> 19);
}

// A row of one format.
typedef void ck_quantize_kernel(const float *x, size_t k, uint8_t *elements, uint8_t *block_scales, float *row_scale);
extern ck_quantize_kernel *const ck_portable_quantize[CK_FORMAT_COUNT];
#if defined(__x86_64__)
extern ck_quantize_kernel *const ck_avx2_quantize[CK_FORMAT_COUNT], *const ck_avx512_quantize[CK_FORMAT_COUNT];
#endif
#endif
