// What the files of row rounding share. Not part of the module's interface.
#ifndef C_KERNELS_ROWS_INTERNAL_H
#define C_KERNELS_ROWS_INTERNAL_H
#include "../Matmul/matmul_internal.h"
#include "rows.h"

typedef struct {
  void (*round_bf16)(const float *x, size_t count, uint16_t *out);
  // One block of count <= CK_Q_BLOCK columns; all CK_Q_BLOCK levels are written.
  void (*round_int8)(const float *x, size_t count, int8_t *levels, float *scale, int16_t sums[2]);
} ck_row_kernels;

extern const ck_row_kernels ck_reference_rows;
#if defined(__x86_64__)
extern const ck_row_kernels ck_avx2_rows, ck_avx512_rows;
#elif defined(__aarch64__)
extern const ck_row_kernels ck_neon_rows;
#endif

// Nearest even; subnormals become zeros, NaN stays NaN.
static inline uint16_t ck_bf16_rounded(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return (uint16_t)(bits >> 16 | 0x40);
  if ((bits & 0x7F800000) == 0) return (uint16_t)(bits >> 16 & 0x8000);
  return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

// The scale of a block whose largest magnitude is `largest`, and the factor that turns its elements into levels.
static inline bool ck_int8_is_zero(float largest) { return largest < 0x1p-100f; }
static inline float ck_int8_scale(float largest, bool finite) {
  return !finite ? NAN : ck_int8_is_zero(largest) ? 0.0f : largest * (1.0f / 127.0f);
}
static inline float ck_int8_factor(float largest, bool finite) {
  return !finite || ck_int8_is_zero(largest) ? 0.0f : 127.0f / largest;
}
#endif
