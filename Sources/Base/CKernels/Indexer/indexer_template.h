// The indexer's scores in the names of a native_*.h: a lane is a position, so that no sum crosses lanes.
#include "indexer_kernels.h"
#pragma STDC FP_CONTRACT OFF

#define TILE CK_ATTENTION_TILE
#define TILE_VECTORS (TILE / LANES)
// Heads whose chains are kept in registers at once, so many that none waits for itself.
#define HEADS (LANES == 16 ? 8 : 2)
#define UNROLL _Pragma("clang loop unroll(full)")

INLINE vf load(const bool rounded, const void *keys, size_t element) {
  return rounded ? v_load_bf16((const uint16_t *)keys + element) : v_load((const float *)keys + element);
}

/// Adds to a tile's sums what `heads` heads give.
INLINE void add_heads(const int heads, const bool rounded, const void *keys, size_t stride, size_t dims,
                      const float *queries, const float *weights, vf *sums) {
  vf chains[HEADS][TILE_VECTORS];
  UNROLL for (int h = 0; h < heads; ++h) { UNROLL for (int v = 0; v < TILE_VECTORS; ++v) chains[h][v] = v_set(0.0f); }
  for (size_t d = 0; d < dims; ++d) {
    vf key[TILE_VECTORS];
    UNROLL for (int v = 0; v < TILE_VECTORS; ++v) key[v] = load(rounded, keys, d * stride + (size_t)(v * LANES));
    UNROLL for (int h = 0; h < heads; ++h) {
      const vf query = v_set(queries[(size_t)h * dims + d]);
      UNROLL for (int v = 0; v < TILE_VECTORS; ++v) chains[h][v] = v_fma(query, key[v], chains[h][v]);
    }
  }
  UNROLL for (int h = 0; h < heads; ++h) {
    const vf weight = v_set(weights[h]);
    UNROLL for (int v = 0; v < TILE_VECTORS; ++v) {
      sums[v] = v_fma(weight, v_max(chains[h][v], v_set(0.0f)), sums[v]);
    }
  }
}

INLINE void score_tile(const bool rounded, const void *keys, size_t stride, size_t dims, const float *queries,
                       const float *weights, size_t heads, size_t count, float *scores) {
  vf sums[TILE_VECTORS];
  UNROLL for (int v = 0; v < TILE_VECTORS; ++v) sums[v] = v_set(0.0f);
  size_t h = 0;
  for (; h + HEADS <= heads; h += HEADS) {
    add_heads(HEADS, rounded, keys, stride, dims, queries + h * dims, weights + h, sums);
  }
  for (; h < heads; ++h) add_heads(1, rounded, keys, stride, dims, queries + h * dims, weights + h, sums);
  UNROLL for (int v = 0; v < TILE_VECTORS; ++v) {
    const size_t first = (size_t)(v * LANES);
    if (first < count) v_store_first(scores + first, sums[v], count - first);
  }
}

void NATIVE(index_scores)(const ck_index_cache *cache, const float *queries, const float *weights, size_t heads,
                          size_t begin, size_t end, float *scores) {
  const size_t tokens = cache->block_tokens, bytes = ck_cache_element_bytes(cache->type);
  for (size_t start = begin; start < end; start += TILE, scores += TILE) {
    const char *const block = cache->blocks[start / tokens];
    const void *const keys = block + (cache->offset + start % tokens) * bytes;
    const size_t count = end - start < TILE ? end - start : TILE;
    if (cache->type == CK_CACHE_F32) {
      score_tile(false, keys, tokens, cache->dims, queries, weights, heads, count, scores);
    } else {
      score_tile(true, keys, tokens, cache->dims, queries, weights, heads, count, scores);
    }
  }
}
