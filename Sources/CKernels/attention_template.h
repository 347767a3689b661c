// Attention in the names of a native_*.h. Rows are taken in batches whose queries and accumulators stay in the
// second-level cache while the keys and values stream by, a tile of positions at a time; within a tile, BLOCK_ROWS
// rows share what is loaded into registers. No grouping changes the order of a row's own sums.
#include "attention_kernels.h"
#include "exp_vector.h"
#pragma STDC FP_CONTRACT OFF

#define PARTS (16 / LANES)
#define TILE CK_ATTENTION_TILE
#define TILE_VECTORS (TILE / LANES)
#define MAX_BATCH 512
// Queries and accumulators of a batch: a quarter of the megabyte of second-level cache of a server core.
#define BATCH_BYTES (256 * 1024)
#define UNROLL _Pragma("clang loop unroll(full)")

typedef struct {
  float largest;
  float denominator;
} softmax_state;

/// Some rows that meet in one tile: their positions in it, scores (then probabilities), corrections.
typedef struct {
  const ck_query_row *rows[BLOCK_ROWS];
  softmax_state *states[BLOCK_ROWS];
  size_t begin[BLOCK_ROWS], end[BLOCK_ROWS];  // within the tile
  float correction[BLOCK_ROWS];
  _Alignas(64) float p[BLOCK_ROWS][TILE];
} row_block;

/// One tile of the cache.
typedef struct {
  const float *keys, *values;
  size_t stride, key_dims, value_dims;
  const float *next_keys, *next_values;  // to be prefetched while this tile is attended; NULL for nothing
} cache_tile;

/// Scores of `rows` x 4 keys (or 1, if `keys` is 1) from position `at` on, before the softmax.
INLINE void score_keys(const int rows, const int keys, const cache_tile *tile, row_block *block, int first_row,
                       size_t at, float scale) {
  const float *const key = tile->keys + at * tile->stride;
  vf lanes[BLOCK_ROWS][4][PARTS];
  UNROLL for (int part = 0; part < PARTS; ++part) {
    // One register's worth of the sixteen lanes at a time, so that rows * keys chains fit the registers.
    vf chains[BLOCK_ROWS][4];
    UNROLL for (int r = 0; r < rows; ++r) {
      UNROLL for (int k = 0; k < keys; ++k) chains[r][k] = v_set(0.0f);
    }
    const size_t whole = tile->key_dims / 16 * 16;
    size_t d = (size_t)part * LANES;
    for (; d < whole; d += 16) {
      vf q[BLOCK_ROWS];
      UNROLL for (int r = 0; r < rows; ++r) q[r] = v_load(block->rows[first_row + r]->query + d);
      UNROLL for (int k = 0; k < keys; ++k) {
        const vf loaded = v_load(key + (size_t)k * tile->stride + d);
        UNROLL for (int r = 0; r < rows; ++r) chains[r][k] = v_fma(q[r], loaded, chains[r][k]);
      }
    }
    if (whole < tile->key_dims) {
      const size_t n = d < tile->key_dims ? tile->key_dims - d : 0;
      UNROLL for (int r = 0; r < rows; ++r) {
        const vf q = n > 0 ? v_load_first(block->rows[first_row + r]->query + d, n) : v_set(0.0f);
        UNROLL for (int k = 0; k < keys; ++k) {
          const vf tail = n > 0 ? v_load_first(key + (size_t)k * tile->stride + d, n) : v_set(0.0f);
          chains[r][k] = v_fma(q, tail, chains[r][k]);
        }
      }
    }
    UNROLL for (int r = 0; r < rows; ++r) {
      UNROLL for (int k = 0; k < keys; ++k) lanes[r][k][part] = chains[r][k];
    }
  }
  UNROLL for (int r = 0; r < rows; ++r) {
    float *const scores = block->p[first_row + r] + at;
    if (keys == 4) {
      v4_store(scores, v4_multiply(v4_sums(v_fold(lanes[r][0]), v_fold(lanes[r][1]), v_fold(lanes[r][2]),
                                           v_fold(lanes[r][3])), scale));
    } else {
      *scores = v4_sum(v_fold(lanes[r][0])) * scale;
    }
  }
}

/// Rows of a tile are too short and too far apart for the processor to foresee where the next one begins.
INLINE void prefetch_rows(const cache_tile *tile, size_t begin, size_t end) {
  if (tile->next_keys == NULL) return;
  for (size_t at = begin; at < end; ++at) {
    const float *const key = tile->next_keys + at * tile->stride, *const value = tile->next_values + at * tile->stride;
    for (size_t d = 0; d < tile->key_dims; d += 16) __builtin_prefetch(key + d);
    if (key <= value && value < key + tile->key_dims) continue;
    for (size_t d = 0; d < tile->value_dims; d += 16) __builtin_prefetch(value + d);
  }
}

INLINE void score_rows(const int rows, const cache_tile *tile, row_block *block, int first_row, size_t begin,
                       size_t end, float scale) {
  size_t at = begin;
  for (; at + 4 <= end; at += 4) {
    prefetch_rows(tile, at, at + 4);
    score_keys(rows, 4, tile, block, first_row, at, scale);
  }
  for (; at < end; ++at) score_keys(rows, 1, tile, block, first_row, at, scale);
}

/// out[d...] = out * correction, then the chain over positions [begin, end), for `vectors` vectors from d on; n lanes
/// of the last one exist.
INLINE void accumulate_dims(const int rows, const int vectors, const cache_tile *tile, const row_block *block,
                            int first_row, size_t begin, size_t end, size_t d, size_t n) {
  vf sums[BLOCK_ROWS][4];
  UNROLL for (int r = 0; r < rows; ++r) {
    const vf correction = v_set(block->correction[first_row + r]);
    UNROLL for (int v = 0; v < vectors; ++v) {
      const float *const out = block->rows[first_row + r]->out + d + v * LANES;
      sums[r][v] = v_multiply(v_load_first(out, v + 1 < vectors ? LANES : n), correction);
    }
  }
  const float *value = tile->values + begin * tile->stride + d;
  for (size_t at = begin; at < end; ++at, value += tile->stride) {
    vf p[BLOCK_ROWS];
    UNROLL for (int r = 0; r < rows; ++r) p[r] = v_set(block->p[first_row + r][at]);
    UNROLL for (int v = 0; v < vectors; ++v) {
      const vf loaded = v_load_first(value + v * LANES, v + 1 < vectors ? LANES : n);
      UNROLL for (int r = 0; r < rows; ++r) sums[r][v] = v_fma(p[r], loaded, sums[r][v]);
    }
  }
  UNROLL for (int r = 0; r < rows; ++r) {
    UNROLL for (int v = 0; v < vectors; ++v) {
      float *const out = block->rows[first_row + r]->out + d + v * LANES;
      v_store_first(out, sums[r][v], v + 1 < vectors ? LANES : n);
    }
  }
}

INLINE void accumulate_rows(const int rows, const cache_tile *tile, row_block *block, int first_row, size_t begin,
                            size_t end) {
  size_t d = 0;
  for (; d + 4 * LANES <= tile->value_dims; d += 4 * LANES) {
    accumulate_dims(rows, 4, tile, block, first_row, begin, end, d, LANES);
  }
  for (; d + LANES <= tile->value_dims; d += LANES) {
    accumulate_dims(rows, 1, tile, block, first_row, begin, end, d, LANES);
  }
  if (d < tile->value_dims) {
    accumulate_dims(rows, 1, tile, block, first_row, begin, end, d, tile->value_dims - d);
  }
  for (int r = 0; r < rows; ++r) block->correction[first_row + r] = 1;
}

/// Calls one of the two passes with a constant number of rows; where BLOCK_ROWS is 3 the last case is never met.
#define WITH_CONSTANT_ROWS(rows, pass, ...)        \
  switch (rows) {                                  \
    case 1: pass(1, __VA_ARGS__); break;           \
    case 2: pass(2, __VA_ARGS__); break;           \
    case 3: pass(3, __VA_ARGS__); break;           \
    default: pass(BLOCK_ROWS, __VA_ARGS__); break; \
  }

static void score(int rows, const cache_tile *tile, row_block *block, int first_row, size_t begin, size_t end,
                  float scale) {
  if (begin < end) WITH_CONSTANT_ROWS(rows, score_rows, tile, block, first_row, begin, end, scale)
}

static void accumulate(int rows, const cache_tile *tile, row_block *block, int first_row, size_t begin, size_t end) {
  if (begin < end) WITH_CONSTANT_ROWS(rows, accumulate_rows, tile, block, first_row, begin, end)
}

static void raise_largest(softmax_state *state, float score, float *correction) {
  *correction = 1;
  if (!(score > state->largest)) return;
  *correction = ck_exp_scalar(state->largest - score);
  state->largest = score;
  state->denominator *= *correction;
}

/// Turns one row's scores in a tile into probabilities relative to its largest score so far.
INLINE void soften(row_block *block, int r) {
  vf scores[TILE_VECTORS];
  vf largest = v_set(-INFINITY);
  for (int i = 0; i < TILE_VECTORS; ++i) {
    scores[i] = v_load(block->p[r] + i * LANES);
    largest = v_max(scores[i], largest);
  }
  softmax_state *const state = block->states[r];
  raise_largest(state, v_largest(largest), &block->correction[r]);
  const vf shift = v_set(state->largest);
  for (int i = 0; i < TILE_VECTORS; ++i) {
    scores[i] = v_exp(v_subtract(scores[i], shift));
    v_store(block->p[r] + i * LANES, scores[i]);
  }
  for (int i = 0; i < PARTS; ++i) scores[i] = v_add(scores[i], scores[i + PARTS]);
  state->denominator += v4_sum(v_fold(scores));
}

/// Attends one tile with up to BLOCK_ROWS rows. The positions all of them attend are done together, those before and
/// after by each row alone, so that nothing is read that no row attends.
static void attend_tile(int rows, const cache_tile *tile, row_block *block, float scale) {
  size_t begin = 0, end = TILE;
  for (int r = 0; r < rows; ++r) {
    begin = block->begin[r] > begin ? block->begin[r] : begin;
    end = block->end[r] < end ? block->end[r] : end;
    for (int j = 0; j < TILE; ++j) block->p[r][j] = -INFINITY;
  }
  if (begin >= end) begin = end = TILE;  // nothing in common: each row's whole range comes before
#define BEFORE(r) block->begin[r], begin < block->end[r] ? begin : block->end[r]
  for (int r = 0; r < rows; ++r) score(1, tile, block, r, BEFORE(r), scale);
  score(rows, tile, block, 0, begin, end, scale);
  for (int r = 0; r < rows; ++r) score(1, tile, block, r, end, block->end[r], scale);
  for (int r = 0; r < rows; ++r) soften(block, r);
  for (int r = 0; r < rows; ++r) accumulate(1, tile, block, r, BEFORE(r));
  accumulate(rows, tile, block, 0, begin, end);
  for (int r = 0; r < rows; ++r) accumulate(1, tile, block, r, end, block->end[r]);
#undef BEFORE
}

static void finish_row(const ck_query_row *row, softmax_state *state, size_t value_dims) {
  float correction = 1;
  if (row->sink != NULL) {
    raise_largest(state, *row->sink, &correction);
    state->denominator += ck_exp_scalar(*row->sink - state->largest);
  }
  for (size_t d = 0; d < value_dims; d += LANES) {
    const size_t n = value_dims - d < LANES ? value_dims - d : LANES;
    const vf sum = v_multiply(v_load_first(row->out + d, n), v_set(correction));
    v_store_first(row->out + d, v_divide(sum, v_set(state->denominator)), n);
  }
}

static void attend_batch(const ck_paged_cache *cache, const ck_query_row *rows, size_t row_count, float scale) {
  softmax_state states[MAX_BATCH];
  size_t first = SIZE_MAX, last = 0;
  for (size_t r = 0; r < row_count; ++r) {
    states[r] = (softmax_state){-INFINITY, 0};
    memset(rows[r].out, 0, cache->value_dims * sizeof(float));
    first = rows[r].begin < first ? rows[r].begin : first;
    last = rows[r].end > last ? rows[r].end : last;
  }
  for (size_t start = first / TILE * TILE; start < last; start += TILE) {
    cache_tile tile = {NULL, NULL, cache->row_stride, cache->key_dims, cache->value_dims, NULL, NULL};
    row_block block;
    int filled = 0;
    for (size_t r = 0; r < row_count; ++r) {
      const ck_query_row *const row = rows + r;
      if (row->begin < start + TILE && row->end > start) {
        if (tile.keys == NULL) {
          const float *const base = ck_cache_row(cache, start);
          tile.keys = base + cache->key_offset;
          tile.values = base + cache->value_offset;
          if (start + 2 * TILE <= last) {
            const float *const next = ck_cache_row(cache, start + TILE);
            tile.next_keys = next + cache->key_offset;
            tile.next_values = next + cache->value_offset;
          }
        }
        block.rows[filled] = row;
        block.states[filled] = states + r;
        block.begin[filled] = row->begin > start ? row->begin - start : 0;
        block.end[filled] = row->end < start + TILE ? row->end - start : TILE;
        ++filled;
      }
      if (filled == BLOCK_ROWS || (filled > 0 && r + 1 == row_count)) {
        attend_tile(filled, &tile, &block, scale);
        tile.next_keys = NULL;
        filled = 0;
      }
    }
  }
  for (size_t r = 0; r < row_count; ++r) finish_row(rows + r, states + r, cache->value_dims);
}

void NATIVE(attention)(const ck_paged_cache *cache, const ck_query_row *rows, size_t row_count, float scale) {
  size_t batch = BATCH_BYTES / sizeof(float) / (cache->key_dims + cache->value_dims);
  batch = batch < BLOCK_ROWS ? BLOCK_ROWS : batch > MAX_BATCH ? MAX_BATCH : batch;
  batch -= batch % BLOCK_ROWS;
  for (size_t r = 0; r < row_count; r += batch) {
    attend_batch(cache, rows + r, row_count - r < batch ? row_count - r : batch, scale);
  }
}
