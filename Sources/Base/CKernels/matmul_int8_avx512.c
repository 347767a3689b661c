// Int8 matmul on AVX-512 VNNI: one register is the sixteen lanes. VPDPBUSD takes the weights as unsigned bytes (level
// plus 128) and the rows as signed; a block's sum starts at minus 128 times the sum of the row.
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"))), \
                             apply_to = function)

#include "v16_avx512.h"

typedef __m512i i16;
typedef __m512i w64;

INLINE_OP i16 i16_set(int32_t sum) { return _mm512_set1_epi32(sum); }
INLINE_OP i16 i16_start(const int16_t *sums) {
  int32_t two;
  memcpy(&two, sums, sizeof two);
  return _mm512_madd_epi16(_mm512_set1_epi32(two), _mm512_set1_epi16(-128));
}
INLINE_OP v16 i16_to_v16(i16 sum) { return _mm512_cvtepi32_ps(sum); }
INLINE_OP i16 i16_dot(i16 sum, w64 w, const uint8_t *x) {
  int32_t four;
  memcpy(&four, x, sizeof four);
  return _mm512_dpbusd_epi32(sum, w, _mm512_set1_epi32(four));
}
INLINE_OP w64 w64_load(const uint8_t *p) { return _mm512_loadu_si512(p); }
INLINE_OP void w64_store(uint8_t *p, w64 w) { _mm512_storeu_si512(p, w); }
INLINE_OP v16 scale_bytes(const uint8_t *p) {
  const __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_slli_epi32(bytes, 19), _mm512_set1_epi32(0x38000000)));
}

#include "Formats/level_lanes.h"
#include "Formats/block_lanes.h"

// With several rows four streams of weights keep memory busier than two, even where the chains of fp32 sums go to the stack
// for it.
#define ROWS_CASES(DO) DO(1, is_blocks(format) ? 4 : 2) DO(2, 4) DO(3, 4) DO(4, 4) DO(5, 4) DO(6, line_parts(format) == 1 ? 4 : 2)
#define MAX_ROWS 6
// Of blocks with a scale each four panels are faster, each fetched ahead.
#define BLOCK_PANELS (record_blocks(format) > 1 ? 1 : 4)
#define KERNELS_NAME ck_int8_rows_avx512
#include "matmul_int8_kernel.inc"

#pragma clang attribute pop
#endif
