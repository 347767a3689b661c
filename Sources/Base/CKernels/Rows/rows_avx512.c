// Rounding of rows on AVX-512.
#if defined(__x86_64__)
#include <immintrin.h>

#include "rows_internal.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function)

static inline __mmask16 first_lanes(size_t count) { return count >= 16 ? 0xFFFF : (__mmask16)((1u << count) - 1); }

static void round_bf16(const float *x, size_t count, uint16_t *out) {
  for (size_t i = 0; i < count; i += 16) {
    const __mmask16 mask = first_lanes(count - i);
    const __m512i bits = _mm512_castps_si512(_mm512_maskz_loadu_ps(mask, x + i));
    const __m512i top = _mm512_srli_epi32(bits, 16);
    const __m512i odd = _mm512_and_si512(top, _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
    rounded = _mm512_srli_epi32(rounded, 16);
    const __m512i exponent = _mm512_and_si512(bits, _mm512_set1_epi32(0x7F800000));
    rounded =
        _mm512_mask_and_epi32(rounded, _mm512_testn_epi32_mask(exponent, exponent), top, _mm512_set1_epi32(0x8000));
    const __m512i magnitude = _mm512_and_si512(bits, _mm512_set1_epi32(0x7FFFFFFF));
    rounded = _mm512_mask_or_epi32(rounded, _mm512_cmpgt_epi32_mask(magnitude, _mm512_set1_epi32(0x7F800000)), top,
                                   _mm512_set1_epi32(0x40));
    _mm512_mask_cvtepi32_storeu_epi16(out + i, mask, rounded);
  }
}

static void round_int8(const float *x, size_t count, int8_t *levels, float *scale, int16_t sums[2]) {
  __m512 v[4];
  __m512i largest = _mm512_setzero_si512();
  for (size_t i = 0; i < 4; i++) {
    v[i] = _mm512_maskz_loadu_ps(count > i * 16 ? first_lanes(count - i * 16) : 0, x + i * 16);
    // Magnitudes compare as integers; infinity and NaN above all.
    largest = _mm512_max_epu32(largest, _mm512_and_si512(_mm512_castps_si512(v[i]), _mm512_set1_epi32(0x7FFFFFFF)));
  }
  const uint32_t bits = _mm512_reduce_max_epu32(largest);
  const bool finite = bits < 0x7F800000;
  const float magnitude = ck_float_from_bits(bits);
  *scale = ck_int8_scale(magnitude, finite);
  const float factor = ck_int8_factor(magnitude, finite);
  __m512i sum[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  for (size_t i = 0; i < 4; i++) {
    const __m512i level =
        factor > 0 ? _mm512_cvtps_epi32(_mm512_mul_ps(v[i], _mm512_set1_ps(factor))) : _mm512_setzero_si512();
    sum[i / 2] = _mm512_add_epi32(sum[i / 2], level);
    _mm_storeu_si128((__m128i *)(void *)(levels + i * 16), _mm512_cvtepi32_epi8(level));
  }
  for (size_t half = 0; half < 2; half++) sums[half] = (int16_t)_mm512_reduce_add_epi32(sum[half]);
}

const ck_row_kernels ck_avx512_rows = {round_bf16, round_int8};

#pragma clang attribute pop
#endif
