// One native vector = eight lanes of a 256-bit register; the names are explained in native_avx512.h.
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define INLINE static inline __attribute__((always_inline))
#define NATIVE(name) ck_avx2_##name
#define LANES 8
#define BLOCK_ROWS 3

typedef __m256 vf;
typedef __m128 v4;

static const int32_t first_lanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

INLINE __m256i v_mask(size_t n) { return _mm256_loadu_si256((const __m256i *)(const void *)(first_lanes + 8 - n)); }
INLINE vf v_set(float x) { return _mm256_set1_ps(x); }
INLINE vf v_load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void v_store(float *p, vf v) { _mm256_storeu_ps(p, v); }
INLINE vf v_load_first(const float *p, size_t n) { return n >= LANES ? v_load(p) : _mm256_maskload_ps(p, v_mask(n)); }
INLINE vf v_load_bf16(const uint16_t *p) {
  const __m128i halves = _mm_loadu_si128((const __m128i *)(const void *)p);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}
INLINE vf v_load_first_bf16(const uint16_t *p, size_t n) {
  if (n >= LANES) return v_load_bf16(p);
  uint16_t lanes[LANES] = {0};
  for (size_t i = 0; i < n; ++i) lanes[i] = p[i];
  return v_load_bf16(lanes);
}
INLINE void v_store_first(float *p, vf v, size_t n) {
  if (n >= LANES) v_store(p, v);
  else _mm256_maskstore_ps(p, v_mask(n), v);
}
INLINE vf v_keep_first(vf v, size_t n) { return n >= LANES ? v : _mm256_and_ps(v, _mm256_castsi256_ps(v_mask(n))); }
INLINE vf v_add(vf a, vf b) { return _mm256_add_ps(a, b); }
INLINE vf v_subtract(vf a, vf b) { return _mm256_sub_ps(a, b); }
INLINE vf v_multiply(vf a, vf b) { return _mm256_mul_ps(a, b); }
INLINE vf v_divide(vf a, vf b) { return _mm256_div_ps(a, b); }
INLINE vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vf v_fnma(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); }
INLINE vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
INLINE vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }
INLINE vf v_negate(vf a) { return _mm256_xor_ps(a, _mm256_set1_ps(-0.0f)); }
INLINE vf v_take_nan(vf v, vf x) { return _mm256_blendv_ps(v, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q)); }
INLINE vf v_power_of_two(__m256i n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
INLINE vf v_scale(vf y, vf rounded) {
  const __m256i n = _mm256_sub_epi32(_mm256_castps_si256(rounded), _mm256_set1_epi32(0x4b400000));
  const __m256i half = _mm256_srai_epi32(n, 1);
  return v_multiply(v_multiply(y, v_power_of_two(half)), v_power_of_two(_mm256_sub_epi32(n, half)));
}
INLINE vf v_swap_pairs(vf x) { return _mm256_permute_ps(x, 0xB1); }
INLINE vf v_double_low(vf x) { return _mm256_permutevar8x32_ps(x, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3)); }
INLINE vf v_double_high(vf x) { return _mm256_permutevar8x32_ps(x, _mm256_setr_epi32(4, 4, 5, 5, 6, 6, 7, 7)); }
INLINE vf v_negate_even(vf x) { return _mm256_xor_ps(x, _mm256_castsi256_ps(_mm256_set1_epi64x(0x80000000))); }
INLINE float v_largest(vf v) {
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}
INLINE v4 v_fold(const vf *lanes) {
  const __m256 eight = _mm256_add_ps(lanes[0], lanes[1]);
  return _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
}
#include "native_sse.h"
