// Attention over a q8 cache on AVX-512 VNNI. VPDPBUSD takes unsigned times signed bytes: keys are laid out as levels
// plus 128, whose sums begin at minus 128 times the sum of the query's levels; weights of values are never negative.
#if defined(__x86_64__)
#define NATIVE_TARGET "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma"
#include "../../Vectors/native_avx512.h"

#include "attention_q8.h"

#define ATTENTION ck_avx512_attention_q8
#define KEY_ROWS 4
#define KEY_VECTORS 2
#define VALUE_ROWS 8
#define VALUE_VECTORS 2
#define KEY_BIAS 128

typedef __m512i vi;
typedef __m512i vb;

INLINE vi i_set(int32_t x) { return _mm512_set1_epi32(x); }
INLINE vf i_float(vi x) { return _mm512_cvtepi32_ps(x); }
INLINE vb b_set(int32_t four) { return _mm512_set1_epi32(four); }
INLINE vb b_load(const void *p) { return _mm512_loadu_si512(p); }
INLINE void b_store(void *p, vb b) { _mm512_storeu_si512(p, b); }
INLINE vi i_dot_key(vi sum, vb key, vb query) { return _mm512_dpbusd_epi32(sum, key, query); }
INLINE vi i_dot_value(vi sum, vb weight, vb value) { return _mm512_dpbusd_epi32(sum, weight, value); }
INLINE void b_store_levels(uint8_t *p, vf x) {
  _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
}
/// Each sixteen bytes, as four by four, transposed.
INLINE vb b_transposed(vb b) {
  const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_shuffle_epi8(b, _mm512_broadcast_i32x4(order));
}

/// Four units of four elements by four positions become four rows of four elements of sixteen positions.
static void lay_keys(const uint8_t *from, size_t width, uint8_t *to) {
  const __m512i bias = _mm512_set1_epi8(-128);
  for (size_t d = 0; d < width; d += 16) {
    for (size_t half = 0; half < 2; ++half) {
      const uint8_t *const unit = from + half * width * 16 + d * 4;
      const __m512i a = b_load(unit), b = b_load(unit + width * 4), c = b_load(unit + width * 8),
                    e = b_load(unit + width * 12);
      const __m512i ab_low = _mm512_shuffle_i32x4(a, b, 0x44), ab_high = _mm512_shuffle_i32x4(a, b, 0xee);
      const __m512i ce_low = _mm512_shuffle_i32x4(c, e, 0x44), ce_high = _mm512_shuffle_i32x4(c, e, 0xee);
      uint8_t *const out = to + d * 32 + half * 64;
      b_store(out, _mm512_xor_si512(bias, _mm512_shuffle_i32x4(ab_low, ce_low, 0x88)));
      b_store(out + 128, _mm512_xor_si512(bias, _mm512_shuffle_i32x4(ab_low, ce_low, 0xdd)));
      b_store(out + 256, _mm512_xor_si512(bias, _mm512_shuffle_i32x4(ab_high, ce_high, 0x88)));
      b_store(out + 384, _mm512_xor_si512(bias, _mm512_shuffle_i32x4(ab_high, ce_high, 0xdd)));
    }
  }
}

#include "attention_q8_template.h"
#pragma clang attribute pop
#else
typedef int ck_no_attention_q8_avx512_here;
#endif
