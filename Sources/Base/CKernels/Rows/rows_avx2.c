// Rounding of rows on AVX2.
#if defined(__x86_64__)
#include <immintrin.h>

#include "rows_internal.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

static void round_bf16(const float *x, size_t count, uint16_t *out) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(x + i));
    const __m256i top = _mm256_srli_epi32(bits, 16);
    const __m256i odd = _mm256_and_si256(top, _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd);
    rounded = _mm256_srli_epi32(rounded, 16);
    const __m256i exponent = _mm256_and_si256(bits, _mm256_set1_epi32(0x7F800000));
    const __m256i is_small = _mm256_cmpeq_epi32(exponent, _mm256_setzero_si256());
    rounded = _mm256_blendv_epi8(rounded, _mm256_and_si256(top, _mm256_set1_epi32(0x8000)), is_small);
    const __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7FFFFFFF));
    const __m256i is_nan = _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(0x7F800000));
    rounded = _mm256_blendv_epi8(rounded, _mm256_or_si256(top, _mm256_set1_epi32(0x40)), is_nan);
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(rounded, rounded), 0x08);
    _mm_storeu_si128((__m128i *)(void *)(out + i), _mm256_castsi256_si128(packed));
  }
  for (; i < count; i++) out[i] = ck_bf16_rounded(x[i]);
}

static void round_int8(const float *x, size_t count, int8_t *levels, float *scale, int16_t sums[2]) {
  float copy[CK_Q_BLOCK] = {0};
  if (count < CK_Q_BLOCK) {
    memcpy(copy, x, count * sizeof(float));
    x = copy;
  }
  // Magnitudes compare as integers; infinity and NaN above all.
  __m256i largest = _mm256_setzero_si256();
  for (size_t i = 0; i < CK_Q_BLOCK; i += 8) {
    const __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(x + i));
    largest = _mm256_max_epi32(largest, _mm256_and_si256(bits, _mm256_set1_epi32(0x7FFFFFFF)));
  }
  uint32_t lanes[8], bits = 0;
  memcpy(lanes, &largest, sizeof lanes);
  for (int i = 0; i < 8; i++) bits = lanes[i] > bits ? lanes[i] : bits;
  const bool finite = bits < 0x7F800000;
  const float magnitude = ck_float_from_bits(bits);
  *scale = ck_int8_scale(magnitude, finite);
  const float factor = ck_int8_factor(magnitude, finite);
  const __m256 factors = _mm256_set1_ps(factor);
  for (size_t i = 0; i < CK_Q_BLOCK; i += 32) {
    __m256i level[4], sum = _mm256_setzero_si256();
    for (size_t j = 0; j < 4; j++) {
      const __m256 v = _mm256_loadu_ps(x + i + 8 * j);
      level[j] = factor > 0 ? _mm256_cvtps_epi32(_mm256_mul_ps(v, factors)) : _mm256_setzero_si256();
      sum = _mm256_add_epi32(sum, level[j]);
    }
    const __m256i words = _mm256_packs_epi32(level[0], level[1]), more = _mm256_packs_epi32(level[2], level[3]);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256((__m256i *)(void *)(levels + i),
                        _mm256_permutevar8x32_epi32(_mm256_packs_epi16(words, more), order));
    int32_t parts[8], total = 0;
    memcpy(parts, &sum, sizeof parts);
    for (int j = 0; j < 8; j++) total += parts[j];
    sums[i / 32] = (int16_t)total;
  }
}

const ck_row_kernels ck_avx2_rows = {round_bf16, round_int8};

#pragma clang attribute pop
#endif
