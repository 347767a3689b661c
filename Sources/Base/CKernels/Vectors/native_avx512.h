// One native vector = sixteen lanes of a 512-bit register. The same names are defined for each instruction set, and
// the kernel templates are written in them.
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
// A file that needs more says so before it includes this.
#ifndef NATIVE_TARGET
#define NATIVE_TARGET "avx512f,avx512bw,avx512vl,avx512dq,fma"
#endif
#pragma clang attribute push(__attribute__((target(NATIVE_TARGET))), apply_to = function)
#define INLINE static inline __attribute__((always_inline))
#define NATIVE(name) ck_avx512_##name
#define LANES 16
// The register blocks of attention: rows whose chains are kept in registers at once.
#define BLOCK_ROWS 4

typedef __m512 vf;
typedef __m128 v4;

INLINE vf v_set(float x) { return _mm512_set1_ps(x); }
INLINE vf v_load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void v_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
/// Loads the first n lanes (n <= LANES), the others are zero; nothing past them is read.
INLINE vf v_load_first(const float *p, size_t n) {
  return n >= LANES ? v_load(p) : _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
/// Elements of bf16, each the upper half of its fp32.
INLINE vf v_from_bf16(__m256i halves) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}
INLINE vf v_load_bf16(const uint16_t *p) { return v_from_bf16(_mm256_loadu_si256((const __m256i *)(const void *)p)); }
INLINE vf v_load_first_bf16(const uint16_t *p, size_t n) {
  return n >= LANES ? v_load_bf16(p) : v_from_bf16(_mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p));
}
/// Thirty-two elements of bf16, of which `two` get the first and the last sixteen: three instructions, one of which any
/// pipe takes, in place of four.
INLINE void v_load_two_bf16(const uint16_t *p, vf two[2]) {
  // Lane l holds element l below element l + 16.
  const __m512i pairs =
      _mm512_permutexvar_epi16(_mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
                                                6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0),
                               _mm512_loadu_si512(p));
  two[0] = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
  two[1] = _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int)0xFFFF0000)));
}
INLINE void v_store_first(float *p, vf v, size_t n) {
  if (n >= LANES) v_store(p, v);
  else _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
}
/// Zeroes the lanes from n on.
INLINE vf v_keep_first(vf v, size_t n) { return n >= LANES ? v : _mm512_maskz_mov_ps((__mmask16)((1u << n) - 1), v); }
INLINE vf v_add(vf a, vf b) { return _mm512_add_ps(a, b); }
INLINE vf v_subtract(vf a, vf b) { return _mm512_sub_ps(a, b); }
INLINE vf v_multiply(vf a, vf b) { return _mm512_mul_ps(a, b); }
INLINE vf v_divide(vf a, vf b) { return _mm512_div_ps(a, b); }
/// a * b + c and c - a * b, rounded once.
INLINE vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vf v_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); }
/// a > b ? a : b and a < b ? a : b: b if either is NaN.
INLINE vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
INLINE vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); }
INLINE vf v_negate(vf a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
/// x where x is NaN, else v.
INLINE vf v_take_nan(vf v, vf x) { return _mm512_mask_mov_ps(v, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x); }
/// y * 2^n rounded once, n the integer in the low bits of 1.5 * 2^23 + n.
INLINE vf v_scale(vf y, vf rounded) { return _mm512_scalef_ps(y, v_subtract(rounded, v_set(0x1.8p+23f))); }
/// (x1, x0, x3, x2, ...)
INLINE vf v_swap_pairs(vf x) { return _mm512_permute_ps(x, 0xB1); }
/// (x0, x0, x1, x1, ...) of the lower and the upper half of the lanes.
INLINE vf v_double_low(vf x) {
  return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7), x);
}
INLINE vf v_double_high(vf x) {
  return _mm512_permutexvar_ps(_mm512_setr_epi32(8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15), x);
}
/// Negates the even lanes.
INLINE vf v_negate_even(vf x) { return _mm512_xor_ps(x, _mm512_castsi512_ps(_mm512_set1_epi64(0x80000000))); }
/// The largest lane, if none is NaN.
INLINE float v_largest(vf v) { return _mm512_reduce_max_ps(v); }
/// The first two halvings of sixteen lanes: lane l += lane l+8, then l += l+4.
INLINE v4 v_fold(const vf *lanes) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(lanes[0]), _mm512_extractf32x8_ps(lanes[0], 1));
  return _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
}
/// The lane sums of four by four vectors, halved as ever; quarter r, element k of the result is that of lanes[r][k].
INLINE vf v_sums(const vf lanes[4][4][1]) {
  vf four[4];
  for (int k = 0; k < 4; ++k) {
    const vf a = lanes[0][k][0], b = lanes[1][k][0], c = lanes[2][k][0], d = lanes[3][k][0];
    // Two of eight lanes, then four of four lanes in one vector.
    const vf ab = v_add(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    const vf cd = v_add(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
    four[k] = v_add(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
  }
  vf two[2];
  for (int k = 0; k < 2; ++k) {
    const __m512d a = _mm512_castps_pd(four[2 * k]), b = _mm512_castps_pd(four[2 * k + 1]);
    two[k] = v_add(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
  }
  return v_add(_mm512_shuffle_ps(two[0], two[1], 0x88), _mm512_shuffle_ps(two[0], two[1], 0xdd));
}
INLINE void v_store_quarters(float *const to[4], vf v) {
  _mm_storeu_ps(to[0], _mm512_castps512_ps128(v));
  _mm_storeu_ps(to[1], _mm512_extractf32x4_ps(v, 1));
  _mm_storeu_ps(to[2], _mm512_extractf32x4_ps(v, 2));
  _mm_storeu_ps(to[3], _mm512_extractf32x4_ps(v, 3));
}
#include "native_sse.h"
