// Attention over a q8 cache on AVX2. VPMADDUBSW takes unsigned times signed bytes: magnitudes of keys times the query's
// levels with the keys' signs, and weights, which are never negative, times values. Two products of at most 127 * 127
// fit its int16 sums.
#if defined(__x86_64__)
#include "../../Vectors/native_avx2.h"

#include "attention_q8.h"

#define ATTENTION ck_avx2_attention_q8
#define KEY_ROWS 2
#define KEY_VECTORS 2
#define VALUE_ROWS 2
#define VALUE_VECTORS 4
#define KEY_BIAS 0

typedef __m256i vi;
typedef __m256i vb;

INLINE vi i_set(int32_t x) { return _mm256_set1_epi32(x); }
INLINE vf i_float(vi x) { return _mm256_cvtepi32_ps(x); }
INLINE vb b_set(int32_t four) { return _mm256_set1_epi32(four); }
INLINE vb b_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINE void b_store(void *p, vb b) { _mm256_storeu_si256((__m256i *)p, b); }
INLINE vi i_dot_value(vi sum, vb weight, vb value) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(weight, value), _mm256_set1_epi16(1)));
}
INLINE vi i_dot_key(vi sum, vb key, vb query) {
  return i_dot_value(sum, _mm256_abs_epi8(key), _mm256_sign_epi8(query, key));
}
INLINE void b_store_levels(uint8_t *p, vf x) {
  const __m256i levels = _mm256_cvtps_epi32(x);
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(levels), _mm256_extracti128_si256(levels, 1));
  _mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(words, words));
}
/// Each sixteen bytes, as four by four, transposed.
INLINE vb b_transposed(vb b) {
  const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm256_shuffle_epi8(b, _mm256_broadcastsi128_si256(order));
}

/// Two units of four elements by four positions become two rows of four elements of eight positions.
static void lay_keys(const uint8_t *from, size_t width, uint8_t *to) {
  for (size_t d = 0; d < width; d += 8) {
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      const uint8_t *const unit = from + quarter * width * 8 + d * 4;
      const __m256i a = b_load(unit), b = b_load(unit + width * 4);
      uint8_t *const out = to + d * 32 + quarter * 32;
      b_store(out, _mm256_permute2x128_si256(a, b, 0x20));
      b_store(out + 128, _mm256_permute2x128_si256(a, b, 0x31));
    }
  }
}

#include "attention_q8_template.h"
#pragma clang attribute pop
#else
typedef int ck_no_attention_q8_avx2_here;
#endif
