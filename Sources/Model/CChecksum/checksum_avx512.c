#if defined(__x86_64__)
#include <immintrin.h>

#include "checksum_internal.h"

#pragma clang attribute push(__attribute__((target("avx512f"))), apply_to = function)

// As with AVX2; a register has an even vector in its lower half and the odd one that follows in its upper half.
void cc_sums_avx512(const uint8_t *bytes, size_t count, cc_lane_sums *out) {
  __m512i both = _mm512_setzero_si512(), sums = both, upper = both;
  const size_t pairs = count / 2;
  for (size_t r = 0; r < pairs; r++) {
    const __m512i words = _mm512_loadu_si512((const void *)(bytes + 64 * r));
    both = _mm512_add_epi64(both, words);
    sums = _mm512_add_epi64(sums, both);
    upper = _mm512_add_epi64(upper, _mm512_srli_epi64(words, 32));
  }
  uint64_t sum[2 * CC_LANES], sum_of_sums[2 * CC_LANES], up[2 * CC_LANES];
  _mm512_storeu_si512((void *)sum, both);
  _mm512_storeu_si512((void *)sum_of_sums, sums);
  _mm512_storeu_si512((void *)up, upper);
  cc_join_halves(bytes, count, sum, sum_of_sums, up, out);
}

#pragma clang attribute pop
#else
typedef int cc_no_avx512;
#endif
