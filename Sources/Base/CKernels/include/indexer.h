// The lightning indexer of DeepSeek-V3.2 (arXiv 2512.02556, section 2.1): which positions of a context a token attends.
// Same bits on every instruction set.
#ifndef C_KERNELS_INDEXER_H
#define C_KERNELS_INDEXER_H
#include "attention.h"

/// Index keys in a paged cache: element d of position p is blocks[p / block_tokens][offset + d * block_tokens +
/// p % block_tokens], so that one load brings the same element of neighbouring positions. Offsets count elements.
/// block_tokens is a multiple of CK_ATTENTION_TILE.
typedef struct {
  ck_cache_type type;
  const void *const *blocks;
  size_t block_tokens;
  size_t offset;
  size_t dims;
} ck_index_cache;

/// Writes one position's key, [dims], rounded as ck_cache_store does.
void ck_index_store(const ck_index_cache *cache, const float *key, size_t position);

/// scores[p - begin] = sum over heads of weights[h] * max(dot(queries[h], key_p), 0), for p in [begin, end).
///
/// Order: a dot is one chain of fused multiply-adds in ascending dimension from +0; a NaN counts as nothing. The sum is
/// one chain of fused multiply-adds in ascending head from +0. `begin` is a multiple of CK_ATTENTION_TILE; `queries` is
/// [heads, dims]. Positions that are not asked for may hold anything.
void ck_index_scores(ck_isa isa, const ck_index_cache *cache, const float *queries, const float *weights, size_t heads,
                     size_t begin, size_t end, float *scores);

/// Writes the places of the `wanted` greatest of `scores` [count] to `chosen`, ascending. Of equal scores the lower
/// place is taken; zeros of either sign are equal, and NaN is less than everything. wanted <= count < 2^32.
void ck_index_choose(const float *scores, size_t count, size_t wanted, uint32_t *chosen);
#endif
