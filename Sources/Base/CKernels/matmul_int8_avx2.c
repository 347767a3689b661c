// Int8 matmul on AVX2: two registers are the sixteen lanes. VPMADDUBSW wants unsigned times signed bytes: magnitudes of
// the weights times the row's bytes with the weights' signs; two products of at most 127 * 128 fit its int16 sums.
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "v16_avx2.h"

typedef struct {
  __m256i low, high;
} i16;
typedef i16 w64;

INLINE_OP i16 i16_of(__m256i low, __m256i high) {
  const i16 v = {low, high};
  return v;
}
INLINE_OP i16 i16_set(int32_t sum) { return i16_of(_mm256_set1_epi32(sum), _mm256_set1_epi32(sum)); }
INLINE_OP i16 i16_start(const int16_t *sums) {
  (void)sums;
  return i16_set(0);
}
INLINE_OP i16 i16_after(i16 sum, i16 other) {
  (void)other;
  return sum;
}
INLINE_OP v16 i16_to_v16(i16 sum) { return v16_of(_mm256_cvtepi32_ps(sum.low), _mm256_cvtepi32_ps(sum.high)); }
INLINE_OP __m256i dot(__m256i sum, __m256i w, __m256i x) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
INLINE_OP i16 i16_dot(i16 sum, w64 w, const uint8_t *x) {
  int32_t four;
  memcpy(&four, x, sizeof four);
  const __m256i broadcast = _mm256_set1_epi32(four);
  return i16_of(dot(sum.low, w.low, broadcast), dot(sum.high, w.high, broadcast));
}
INLINE_OP w64 w64_load(const uint8_t *p) {
  return i16_of(_mm256_loadu_si256((const __m256i *)p), _mm256_loadu_si256((const __m256i *)(p + 32)));
}
INLINE_OP void w64_store(uint8_t *p, w64 w) {
  _mm256_storeu_si256((__m256i *)p, w.low);
  _mm256_storeu_si256((__m256i *)(p + 32), w.high);
}
INLINE_OP __m256 scale_half(const uint8_t *p) {
  const __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32(bytes, 19), _mm256_set1_epi32(0x38000000)));
}
INLINE_OP v16 scale_bytes(const uint8_t *p) { return v16_of(scale_half(p), scale_half(p + 8)); }

#include "Formats/level_lanes.h"
#include "Formats/block_lanes.h"

#define ROWS_CASES(DO) DO(1, 2) DO(2, 1) DO(3, 1) DO(4, 1)
#define MAX_ROWS 4
#define BLOCK_ROWS 1
#define BLOCK_PANELS 2
#define NATIVE(name) ck_avx2_int8_##name
#define KERNELS_NAME ck_int8_rows_avx2
#include "matmul_int8_kernel.inc"

#pragma clang attribute pop
#endif
