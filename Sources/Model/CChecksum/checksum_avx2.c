#if defined(__x86_64__)
#include <immintrin.h>

#include "checksum_internal.h"

#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)

static inline __m256i load(const uint8_t *bytes) { return _mm256_loadu_si256((const __m256i *)(const void *)bytes); }

// Even vectors in one pair of sums and odd ones in another, as each addition waits for the one before.
void cc_sums_avx2(const uint8_t *bytes, size_t count, cc_lane_sums *out) {
  __m256i even = _mm256_setzero_si256(), odd = even, even_sums = even, odd_sums = even, upper = even;
  const size_t pairs = count / 2;
  for (size_t r = 0; r < pairs; r++) {
    const __m256i first = load(bytes + 64 * r), second = load(bytes + 64 * r + 32);
    even = _mm256_add_epi64(even, first);
    even_sums = _mm256_add_epi64(even_sums, even);
    odd = _mm256_add_epi64(odd, second);
    odd_sums = _mm256_add_epi64(odd_sums, odd);
    upper = _mm256_add_epi64(upper, _mm256_add_epi64(_mm256_srli_epi64(first, 32), _mm256_srli_epi64(second, 32)));
  }
  uint64_t sum[2 * CC_LANES], sum_of_sums[2 * CC_LANES], up[2 * CC_LANES] = {0};
  _mm256_storeu_si256((__m256i *)(void *)sum, even);
  _mm256_storeu_si256((__m256i *)(void *)(sum + CC_LANES), odd);
  _mm256_storeu_si256((__m256i *)(void *)sum_of_sums, even_sums);
  _mm256_storeu_si256((__m256i *)(void *)(sum_of_sums + CC_LANES), odd_sums);
  _mm256_storeu_si256((__m256i *)(void *)up, upper);
  cc_join_halves(bytes, count, sum, sum_of_sums, up, out);
}

#pragma clang attribute pop
#else
typedef int cc_no_avx2;
#endif
