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
#endif
