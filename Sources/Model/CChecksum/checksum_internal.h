#include <string.h>

#include "CChecksum.h"

enum { CC_LANES = 4 };

// Of vectors of four words, lane by lane: Σ w(r), Σ r · w(r) with r from 0, and Σ ⌊w(r) / 2^32⌋.
typedef struct {
  uint64_t sum[CC_LANES];
  uint64_t weighted[CC_LANES];
  uint64_t upper[CC_LANES];
} cc_lane_sums;

// Those of `count` vectors at `bytes`, which need not be aligned.
typedef void (*cc_vector_sums)(const uint8_t *bytes, size_t count, cc_lane_sums *out);

void cc_sums_portable(const uint8_t *bytes, size_t count, cc_lane_sums *out);
#if defined(__x86_64__)
void cc_sums_avx2(const uint8_t *bytes, size_t count, cc_lane_sums *out);
void cc_sums_avx512(const uint8_t *bytes, size_t count, cc_lane_sums *out);

// Brings together what was summed of even vectors and then, from CC_LANES on, of odd ones: sums, sums of their partial
// sums, and of upper halves. Of an odd number the last vector is not among them.
static inline void cc_join_halves(const uint8_t *bytes, size_t count, const uint64_t *sum, const uint64_t *sum_of_sums,
                                  const uint64_t *upper, cc_lane_sums *out) {
  const size_t pairs = count / 2;
  uint64_t last[CC_LANES] = {0};
  if (count % 2 != 0) memcpy(last, bytes + sizeof last * (count - 1), sizeof last);
  for (size_t lane = 0; lane < CC_LANES; lane++) {
    // Σ r · w over pairs is pairs · Σ w less the sum of sums; vector 2r or 2r + 1 has twice that, or twice that and
    // once more.
    const uint64_t even = sum[lane], odd = sum[CC_LANES + lane];
    out->sum[lane] = even + odd + last[lane];
    out->upper[lane] = upper[lane] + upper[CC_LANES + lane] + (last[lane] >> 32);
    out->weighted[lane] =
        2 * (pairs * (even + odd) - sum_of_sums[lane] - sum_of_sums[CC_LANES + lane]) + odd + 2 * pairs * last[lane];
  }
}
#endif
