#include "CChecksum.h"

enum { CC_LANES = 4 };

// Of `count` vectors of four words at `bytes`, which need not be aligned, lane by lane: Σ w(r), and Σ r · w(r) with r from 0.
typedef void (*cc_vector_sums)(const uint8_t *bytes, size_t count, uint64_t sums[CC_LANES], uint64_t weighted[CC_LANES]);

void cc_sums_portable(const uint8_t *bytes, size_t count, uint64_t sums[CC_LANES], uint64_t weighted[CC_LANES]);
#if defined(__x86_64__)
void cc_sums_avx2(const uint8_t *bytes, size_t count, uint64_t sums[CC_LANES], uint64_t weighted[CC_LANES]);
#endif
