// Attention in the names of a native_*.h. Rows are taken in batches whose queries and accumulators stay in the
// second-level cache while the keys and values stream by, a tile of positions at a time; within a tile, BLOCK_ROWS
// rows share what is loaded into registers. No grouping changes the order of a row's own sums.
#include "attention_kernels.h"
#include "../Vectors/exp_vector.h"
#pragma STDC FP_CONTRACT OFF

#define PARTS (16 / LANES)
#define TILE CK_ATTENTION_TILE
#define TILE_VECTORS (TILE / LANES)
#define MAX_BATCH 512
// Queries and accumulators of a batch: a quarter of the megabyte of second-level cache of a server core.
#define BATCH_BYTES (256 * 1024)
#define UNROLL _Pragma("clang loop unroll(full)")
// More rows than this read a tile of bf16 from an fp32 copy; fewer expand what they load.
#define EXPANDING_ROWS (4 * BLOCK_ROWS)

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

/// One tile of the cache, as it lies there or expanded to fp32.
typedef struct {
  ck_cache_type type;
  const void *keys, *values;
  size_t key_stride, value_stride, key_dims, value_dims;
  // The tile after it is fetched meanwhile: of every four keys, or vectors of a value, a block of rows fetches those
  // in [fetch_begin, fetch_end). Strides and positions there count bytes.
  const char *next_keys, *next_values;  // NULL for nothing
  const char *const *next_rows;         // keys that lie apart; NULL where they follow each other
  size_t next_stride, element_bytes;
  size_t fetch_begin, fetch_end;
} cache_tile;

// Into the second-level cache, which can wait for more lines at once than the first, and evenly between the
// arithmetic.
typedef struct {
  const char *keys[4];
  size_t count, element_bytes, line;  // elements of a line less one
} key_fetch;

INLINE key_fetch open_key_fetch(const cache_tile *tile, size_t at) {
  key_fetch fetch = {.element_bytes = tile->element_bytes, .line = 64 / tile->element_bytes - 1};
  if (tile->next_keys == NULL) return fetch;
  for (size_t k = tile->fetch_begin; k < tile->fetch_end; ++k) {
    fetch.keys[fetch.count++] =
        tile->next_rows != NULL ? tile->next_rows[at + k] : tile->next_keys + (at + k) * tile->next_stride;
  }
  return fetch;
}

INLINE void fetch_keys(const key_fetch *fetch, size_t d) {
  if ((d & fetch->line) != 0) return;
  for (size_t k = 0; k < fetch->count; ++k) __builtin_prefetch(fetch->keys[k] + d * fetch->element_bytes, 0, 2);
}

INLINE void fetch_values(const cache_tile *tile, size_t at, size_t d) {
  if (tile->next_values == NULL) return;
  const char *const value = tile->next_values + at * tile->next_stride + d * tile->element_bytes;
  for (size_t v = tile->fetch_begin; v < tile->fetch_end; ++v) {
    const size_t ahead = v * LANES * tile->element_bytes;
    if (ahead % 64 == 0) __builtin_prefetch(value + ahead, 0, 2);
  }
}

// The same lines of one vector of 64 elements after the other, found once.
typedef struct {
  const char *line;
  size_t count, stride;
} value_fetch;

INLINE value_fetch open_value_fetch(const cache_tile *tile, size_t at, size_t d) {
  value_fetch fetch = {NULL, 0, tile->next_stride};
  if (tile->next_values == NULL) return fetch;
  const char *const value = tile->next_values + at * tile->next_stride + d * tile->element_bytes;
  const size_t vector = LANES * tile->element_bytes;
  for (size_t v = tile->fetch_begin; v < tile->fetch_end; ++v) {
    if (v * vector % 64 == 0 && fetch.count++ == 0) fetch.line = value + v * vector;
  }
  return fetch;
}

INLINE void fetch_next_value(value_fetch *fetch) {
  if (fetch->count == 0) return;
  __builtin_prefetch(fetch->line, 0, 2);
  for (size_t i = 1; i < fetch->count; ++i) __builtin_prefetch(fetch->line + i * 64, 0, 2);
  fetch->line += fetch->stride;
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

/// Calls one of the two passes with a constant number of rows; where BLOCK_ROWS is 3 the last case is never met.
#define WITH_CONSTANT_ROWS(rows, pass, ...)        \
  switch (rows) {                                  \
    case 1: pass(1, __VA_ARGS__); break;           \
    case 2: pass(2, __VA_ARGS__); break;           \
    case 3: pass(3, __VA_ARGS__); break;           \
    default: pass(BLOCK_ROWS, __VA_ARGS__); break; \
  }

#define cached float
#define CACHED(name) name##_f32
#define CACHE_LOAD v_load
#define CACHE_LOAD_FIRST v_load_first
#include "attention_tile.h"

#define cached uint16_t
#define CACHED(name) name##_bf16
#define CACHE_LOAD v_load_bf16
#define CACHE_LOAD_FIRST v_load_first_bf16
#if LANES == 16
#define CACHE_LOAD_TWO v_load_two_bf16
#endif
#include "attention_tile.h"

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

/// Where a tile of positions begins.
static const char *tile_start(const ck_paged_cache *cache, size_t start, size_t offset) {
  const size_t elements = start % cache->block_tokens * cache->row_stride + offset;
  return (const char *)cache->blocks[start / cache->block_tokens] + elements * ck_cache_element_bytes(cache->type);
}

static void expand(const char *from, size_t stride, size_t dims, size_t begin, size_t end, float *to) {
  for (size_t at = begin; at < end; ++at) {
    const uint16_t *const row = (const uint16_t *)(const void *)(from + at * stride);
    float *const out = to + at * dims;
    size_t d = 0;
    for (; d + LANES <= dims; d += LANES) v_store(out + d, v_load_bf16(row + d));
    for (; d < dims; ++d) out[d] = ck_float_from_bf16(row[d]);
  }
}

/// The tile from `start` on as it lies in the cache.
static cache_tile open_tile(const ck_paged_cache *cache, size_t start, size_t last) {
  cache_tile tile = {.type = cache->type, .key_dims = cache->key_dims, .value_dims = cache->value_dims};
  tile.keys = tile_start(cache, start, cache->key_offset);
  tile.values = tile_start(cache, start, cache->value_offset);
  tile.key_stride = tile.value_stride = cache->row_stride;
  tile.element_bytes = ck_cache_element_bytes(cache->type);
  tile.next_stride = cache->row_stride * tile.element_bytes;
  if (start + TILE < last) {
    tile.next_keys = tile_start(cache, start + TILE, cache->key_offset);
    if (!ck_values_in_keys(cache)) tile.next_values = tile_start(cache, start + TILE, cache->value_offset);
  }
  return tile;
}

/// Replaces a tile of bf16 by an fp32 copy of its positions [begin, end).
static void expand_tile(const ck_paged_cache *cache, cache_tile *tile, size_t begin, size_t end, float *scratch) {
  expand(tile->keys, tile->next_stride, tile->key_dims, begin, end, scratch);
  const void *const values = tile->values;
  tile->type = CK_CACHE_F32;
  tile->keys = scratch;
  tile->key_stride = tile->value_stride = tile->key_dims;
  if (ck_values_in_keys(cache)) {
    tile->values = scratch + (cache->value_offset - cache->key_offset);
    return;
  }
  float *const value_scratch = scratch + TILE * tile->key_dims;
  expand(values, tile->next_stride, tile->value_dims, begin, end, value_scratch);
  tile->values = value_scratch;
  tile->value_stride = tile->value_dims;
}

static void copy(const char *from, size_t dims, float *to) {
  const float *const row = (const float *)(const void *)from;
  size_t d = 0;
  for (; d + LANES <= dims; d += LANES) v_store(to + d, v_load(row + d));
  for (; d < dims; ++d) to[d] = row[d];
}

/// An fp32 copy of the positions [begin, end) of the tile from `start` on, which are called `positions` in the cache.
/// `next` gets where the tile after it has its keys.
static cache_tile gather_tile(const ck_paged_cache *cache, const uint32_t *positions, size_t start, size_t begin,
                              size_t end, size_t last, float *scratch, const char **next) {
  cache_tile tile = {.type = CK_CACHE_F32, .key_dims = cache->key_dims, .value_dims = cache->value_dims};
  tile.keys = tile.values = scratch;
  tile.key_stride = tile.value_stride = cache->key_dims;
  tile.element_bytes = ck_cache_element_bytes(cache->type);
  float *values = NULL;
  if (ck_values_in_keys(cache)) {
    tile.values = scratch + (cache->value_offset - cache->key_offset);
  } else {
    values = scratch + TILE * cache->key_dims;
    tile.values = values;
    tile.value_stride = cache->value_dims;
  }
  for (size_t at = begin; at < end; ++at) {
    const char *const key = tile_start(cache, positions[start + at], cache->key_offset);
    float *const out = scratch + at * cache->key_dims;
    if (cache->type == CK_CACHE_F32) copy(key, cache->key_dims, out);
    else expand(key, 0, cache->key_dims, 0, 1, out);
    if (values == NULL) continue;
    const char *const value = tile_start(cache, positions[start + at], cache->value_offset);
    float *const value_out = values + at * cache->value_dims;
    if (cache->type == CK_CACHE_F32) copy(value, cache->value_dims, value_out);
    else expand(value, 0, cache->value_dims, 0, 1, value_out);
  }
  if (start + TILE < last) {
    for (size_t at = 0; at < TILE; ++at) {
      const size_t later = start + TILE + at;
      next[at] = tile_start(cache, positions[later < last ? later : last - 1], cache->key_offset);
    }
    tile.next_keys = next[0];
    tile.next_rows = next;
  }
  return tile;
}

/// Says what the rows' `index`-th block is to fetch of the next tile, out of `blocks`.
INLINE void share_fetch(cache_tile *tile, size_t index, size_t blocks) {
  const size_t share = blocks >= 4 ? 1 : blocks >= 2 ? 2 : 4;
  tile->fetch_begin = index * share < 4 ? index * share : 4;
  tile->fetch_end = tile->fetch_begin + share < 4 ? tile->fetch_begin + share : 4;
}

static void attend_batch(const ck_paged_cache *cache, const uint32_t *positions, const ck_query_row *rows,
                         size_t row_count, float scale, float *scratch) {
  softmax_state states[MAX_BATCH];
  const char *next[TILE];
  size_t first = SIZE_MAX, last = 0;
  for (size_t r = 0; r < row_count; ++r) {
    states[r] = (softmax_state){-INFINITY, 0};
    memset(rows[r].out, 0, cache->value_dims * sizeof(float));
    first = rows[r].begin < first ? rows[r].begin : first;
    last = rows[r].end > last ? rows[r].end : last;
  }
  for (size_t start = first / TILE * TILE; start < last; start += TILE) {
    size_t begin = TILE, end = 0, met = 0;
    for (size_t r = 0; r < row_count; ++r) {
      if (rows[r].begin >= start + TILE || rows[r].end <= start) continue;
      const size_t from = rows[r].begin > start ? rows[r].begin - start : 0;
      const size_t to = rows[r].end < start + TILE ? rows[r].end - start : TILE;
      begin = from < begin ? from : begin;
      end = to > end ? to : end;
      ++met;
    }
    if (met == 0) continue;
    cache_tile tile = positions == NULL ? open_tile(cache, start, last)
                                        : gather_tile(cache, positions, start, begin, end, last, scratch, next);
    if (tile.type == CK_CACHE_BF16 && met > EXPANDING_ROWS) expand_tile(cache, &tile, begin, end, scratch);
    row_block block;
    int filled = 0;
    size_t index = 0;
    for (size_t r = 0; r < row_count; ++r) {
      const ck_query_row *const row = rows + r;
      if (row->begin < start + TILE && row->end > start) {
        block.rows[filled] = row;
        block.states[filled] = states + r;
        block.begin[filled] = row->begin > start ? row->begin - start : 0;
        block.end[filled] = row->end < start + TILE ? row->end - start : TILE;
        ++filled;
      }
      if (filled == BLOCK_ROWS || (filled > 0 && r + 1 == row_count)) {
        share_fetch(&tile, index++, (met + BLOCK_ROWS - 1) / BLOCK_ROWS);
        if (tile.type == CK_CACHE_F32) attend_tile_f32(filled, &tile, &block, scale);
        else attend_tile_bf16(filled, &tile, &block, scale);
        filled = 0;
      }
    }
  }
  for (size_t r = 0; r < row_count; ++r) finish_row(rows + r, states + r, cache->value_dims);
}

void NATIVE(attention)(const ck_paged_cache *cache, const uint32_t *positions, const ck_query_row *rows,
                       size_t row_count, float scale, float *scratch) {
  size_t batch = BATCH_BYTES / sizeof(float) / (cache->key_dims + cache->value_dims);
  batch = batch < BLOCK_ROWS ? BLOCK_ROWS : batch > MAX_BATCH ? MAX_BATCH : batch;
  batch -= batch % BLOCK_ROWS;
  for (size_t r = 0; r < row_count; r += batch) {
    attend_batch(cache, positions, rows + r, row_count - r < batch ? row_count - r : batch, scale, scratch);
  }
}
