#if defined(__x86_64__)
#include <immintrin.h>

#include "checksum_internal.h"

#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)

// Even words meet the lower halves of the keys' lanes as they lie; odd words, shifted down, those of the keys from the next on.
static inline __m256i add_products(__m256i sum, __m256i words, const uint32_t *keys) {
  const __m256i even = _mm256_mul_epu32(words, _mm256_loadu_si256((const __m256i *)(const void *)keys));
  const __m256i odd =
      _mm256_mul_epu32(_mm256_srli_epi64(words, 32), _mm256_loadu_si256((const __m256i *)(const void *)(keys + 1)));
  return _mm256_add_epi64(sum, _mm256_add_epi64(even, odd));
}

uint64_t cc_words_avx2(const uint8_t *bytes, size_t count, const uint32_t *keys) {
  __m256i first = _mm256_setzero_si256(), second = first;
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    first = add_products(first, _mm256_loadu_si256((const __m256i *)(const void *)(bytes + 4 * i)), keys + i);
    second = add_products(second, _mm256_loadu_si256((const __m256i *)(const void *)(bytes + 4 * i + 32)), keys + i + 8);
  }
  uint64_t lanes[4];
  _mm256_storeu_si256((__m256i *)(void *)lanes, _mm256_add_epi64(first, second));
  return lanes[0] + lanes[1] + lanes[2] + lanes[3] + cc_words_portable(bytes + 4 * i, count - i, keys + i);
}

#pragma clang attribute pop
#endif
