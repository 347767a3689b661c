// Attention over a q8 cache in the names of a native_*.h and of an integer product (attention_q8_*.c). A tile's levels
// are laid out once for all rows of a batch; then some rows at a time are scored, softened and added up. Sums of
// integers are exact, so that only the order of what is done in fp32 matters: a lane is a position or an element of a
// value, and no sum but that of the probabilities crosses lanes.
#include "attention_q8.h"
#include "../../Vectors/exp_vector.h"
#pragma STDC FP_CONTRACT OFF

#define TILE CK_ATTENTION_TILE
#define TILE_VECTORS (TILE / LANES)
#define PARTS (16 / LANES)
#define GROUP CK_CACHE_GROUP
#define GROUP_VECTORS (GROUP / LANES)
// Rows that are softened together.
#define ROWS 16
#define UNROLL _Pragma("clang loop unroll(full)")
/// How many of the `left` rows are taken together, and the pass with that as a constant.
#define SOME_ROWS(left, most) ((left) >= (most) ? (most) : (left) >= 4 ? 4 : (left))
#define WITH_CONSTANT_ROWS(rows, most, pass, ...)              \
  switch (rows) {                                              \
    case 1: pass(1, __VA_ARGS__); break;                       \
    case 2: pass(2, __VA_ARGS__); break;                       \
    case 3: pass((most) < 3 ? (most) : 3, __VA_ARGS__); break; \
    case 4: pass((most) < 4 ? (most) : 4, __VA_ARGS__); break; \
    default: pass(most, __VA_ARGS__); break;                   \
  }

/// What is known of a row of the batch besides its query.
typedef struct {
  float largest, denominator;
} row_state;

/// A tile that rows meet, laid out for them, and what they fetch of the next one meanwhile.
typedef struct {
  const ck_paged_cache *cache;
  ck_q8_scratch scratch;
  size_t row_count;
  const char *next[2];
  size_t next_lines[2];
  size_t lines_a_step;
} q8_tile;

/// Some rows that meet in a tile: their positions in it, and what the softmax gives.
typedef struct {
  size_t indices[ROWS];
  row_state *states[ROWS];
  ck_q8_query queries[ROWS];
  size_t begin[ROWS], end[ROWS];
  bool is_part[ROWS];
  // Whether any row's `before` is not 1.
  bool corrects;
  // Factors on what came before the tile, and on the tile.
  _Alignas(64) float before[ROWS], now[ROWS];
  _Alignas(64) float p[ROWS][TILE];
  _Alignas(64) uint8_t weights[ROWS][TILE];
} q8_rows;

INLINE int32_t four_bytes(const void *p) {
  int32_t four;
  memcpy(&four, p, sizeof four);
  return four;
}

static void fetch_next(q8_tile *tile) {
  for (int part = 0; part < 2; ++part) {
    size_t lines = tile->next_lines[part] < tile->lines_a_step ? tile->next_lines[part] : tile->lines_a_step;
    tile->next_lines[part] -= lines;
    for (; lines > 0; --lines, tile->next[part] += 64) __builtin_prefetch(tile->next[part], 0, 2);
  }
}

/// Scores of `count` rows from `first` on, for KEY_VECTORS vectors of positions from `at` on.
INLINE void score_positions(const int count, q8_tile *tile, q8_rows *rows, size_t first, size_t at) {
  vf scores[KEY_ROWS][KEY_VECTORS];
  UNROLL for (int r = 0; r < count; ++r) { UNROLL for (int v = 0; v < KEY_VECTORS; ++v) scores[r][v] = v_set(0.0f); }
  const uint8_t *keys = tile->scratch.keys + at * 4;
  const size_t groups = ck_cache_groups(tile->cache->key_dims);
  for (size_t group = 0; group < groups; ++group) {
    fetch_next(tile);
    vi sums[KEY_ROWS][KEY_VECTORS];
    UNROLL for (int r = 0; r < count; ++r) {
      const vi start = i_set(-KEY_BIAS * rows->queries[first + (size_t)r].sums[group]);
      UNROLL for (int v = 0; v < KEY_VECTORS; ++v) sums[r][v] = start;
    }
    UNROLL for (size_t d = 0; d < GROUP; d += 4, keys += TILE * 4) {
      vb key[KEY_VECTORS];
      UNROLL for (int v = 0; v < KEY_VECTORS; ++v) key[v] = b_load(keys + v * LANES * 4);
      UNROLL for (int r = 0; r < count; ++r) {
        const vb query = b_set(four_bytes(rows->queries[first + (size_t)r].levels + group * GROUP + d));
        UNROLL for (int v = 0; v < KEY_VECTORS; ++v) sums[r][v] = i_dot_key(sums[r][v], key[v], query);
      }
    }
    UNROLL for (int v = 0; v < KEY_VECTORS; ++v) {
      const vf scale = v_load(tile->scratch.key_scales + group * TILE + at + (size_t)(v * LANES));
      UNROLL for (int r = 0; r < count; ++r) {
        const vf factor = v_multiply(scale, v_set(rows->queries[first + (size_t)r].scales[group]));
        scores[r][v] = v_fma(i_float(sums[r][v]), factor, scores[r][v]);
      }
    }
  }
  UNROLL for (int r = 0; r < count; ++r) {
    UNROLL for (int v = 0; v < KEY_VECTORS; ++v) v_store(rows->p[first + (size_t)r] + at + v * LANES, scores[r][v]);
  }
}

INLINE void score_rows(const int count, q8_tile *tile, q8_rows *rows, size_t first) {
  for (size_t at = 0; at < TILE; at += KEY_VECTORS * LANES) score_positions(count, tile, rows, first, at);
}

/// Turns scores into probabilities relative to the tile's largest, and says what the tile means for each row's sums.
static void soften(q8_rows *rows, size_t count) {
  _Alignas(64) float smaller[ROWS] = {0}, largest[ROWS];
  for (size_t r = 0; r < count; ++r) {
    float *const p = rows->p[r];
    if (rows->is_part[r]) {
      for (size_t at = 0; at < rows->begin[r]; ++at) p[at] = -INFINITY;
      for (size_t at = rows->end[r]; at < TILE; ++at) p[at] = -INFINITY;
    }
    vf highest = v_set(-INFINITY);
    UNROLL for (int i = 0; i < TILE_VECTORS; ++i) highest = v_max(v_load(p + i * LANES), highest);
    largest[r] = v_largest(highest);
    const float before = rows->states[r]->largest;
    smaller[r] = largest[r] > before ? before - largest[r] : largest[r] - before;
  }
  rows->corrects = false;
  for (size_t r = 0; r < count; r += LANES) v_store(smaller + r, v_exp(v_load(smaller + r)));
  for (size_t r = 0; r < count; ++r) {
    row_state *const state = rows->states[r];
    const bool raises = largest[r] > state->largest;
    rows->before[r] = raises ? smaller[r] : 1;
    rows->now[r] = raises ? 1 : smaller[r];
    rows->corrects |= rows->before[r] != 1;
    state->largest = raises ? largest[r] : state->largest;
    const vf shift = v_set(largest[r]);
    vf p[TILE_VECTORS];
    UNROLL for (int i = 0; i < TILE_VECTORS; ++i) {
      p[i] = v_exp(v_subtract(v_load(rows->p[r] + i * LANES), shift));
      v_store(rows->p[r] + i * LANES, p[i]);
    }
    UNROLL for (int i = 0; i < PARTS; ++i) p[i] = v_add(p[i], p[i + PARTS]);
    state->denominator = state->denominator * rows->before[r] + rows->now[r] * v4_sum(v_fold(p));
  }
}

/// The sums of one group of value elements of a row of the batch.
INLINE float *group_sums(const q8_tile *tile, size_t group, size_t row) {
  return tile->scratch.sums + (group * tile->row_count + row) * GROUP;
}

/// Levels of a row's probabilities times `weights` of a group of values.
INLINE void weigh(q8_rows *rows, size_t r, const vf weights[TILE_VECTORS]) {
  UNROLL for (int i = 0; i < TILE_VECTORS; ++i) {
    b_store_levels(rows->weights[r] + i * LANES, v_multiply(v_load(rows->p[r] + i * LANES), weights[i]));
  }
}

/// The same of a row that does not attend the whole tile: the rest may hold anything. Returns the factor on sums.
static float weigh_part(const q8_tile *tile, q8_rows *rows, size_t r, size_t group) {
  _Alignas(64) float scales[TILE] = {0};
  float largest = 0;
  for (size_t at = rows->begin[r]; at < rows->end[r]; ++at) {
    scales[at] = tile->scratch.value_scales[group * TILE + at];
    largest = scales[at] > largest ? scales[at] : largest;
  }
  const ck_q8_factors factors = ck_q8_value_factors(largest);
  vf weights[TILE_VECTORS];
  UNROLL for (int i = 0; i < TILE_VECTORS; ++i) {
    weights[i] = v_multiply(v_load(scales + i * LANES), v_set(factors.weight));
  }
  weigh(rows, r, weights);
  return rows->now[r] * factors.sum;
}

/// Levels of the rows' weights of one group of values, and the factors on sums of them.
static void weigh_rows(const q8_tile *tile, q8_rows *rows, size_t count, size_t group, float *factors) {
  vf weights[TILE_VECTORS];
  UNROLL for (int i = 0; i < TILE_VECTORS; ++i) {
    weights[i] = v_load(tile->scratch.value_weights + group * TILE + i * LANES);
  }
  const float sum = tile->scratch.value_sums[group];
  for (size_t r = 0; r < count; ++r) {
    if (rows->is_part[r]) {
      factors[r] = weigh_part(tile, rows, r, group);
      continue;
    }
    weigh(rows, r, weights);
    factors[r] = rows->now[r] * sum;
  }
}

/// Adds what a tile gives to VALUE_VECTORS vectors of elements, from `d` of a group on, of `count` rows.
INLINE void add_elements(const int count, const bool corrects, const q8_tile *tile, const q8_rows *rows,
                         const float *factors, size_t first, size_t group, size_t d) {
  vi sums[VALUE_ROWS][VALUE_VECTORS];
  UNROLL for (int r = 0; r < count; ++r) { UNROLL for (int v = 0; v < VALUE_VECTORS; ++v) sums[r][v] = i_set(0); }
  const size_t stride = ck_cache_padded(tile->cache->value_dims) * 4;
  const int8_t *values = tile->scratch.values + (group * GROUP + d) * 4;
  _Pragma("clang loop unroll_count(2)") for (size_t at = 0; at < TILE; at += 4, values += stride) {
    vb value[VALUE_VECTORS];
    UNROLL for (int v = 0; v < VALUE_VECTORS; ++v) value[v] = b_load(values + v * LANES * 4);
    UNROLL for (int r = 0; r < count; ++r) {
      const vb weight = b_set(four_bytes(rows->weights[first + (size_t)r] + at));
      UNROLL for (int v = 0; v < VALUE_VECTORS; ++v) sums[r][v] = i_dot_value(sums[r][v], weight, value[v]);
    }
  }
  UNROLL for (int r = 0; r < count; ++r) {
    const vf factor = v_set(factors[first + (size_t)r]), before = v_set(rows->before[first + (size_t)r]);
    float *const out = group_sums(tile, group, rows->indices[first + (size_t)r]) + d;
    UNROLL for (int v = 0; v < VALUE_VECTORS; ++v) {
      const vf sum = v_load(out + v * LANES);
      v_store(out + v * LANES, v_fma(i_float(sums[r][v]), factor, corrects ? v_multiply(sum, before) : sum));
    }
  }
}

static void attend_rows(q8_tile *tile, q8_rows *rows, size_t count) {
  for (size_t first = 0; first < count;) {
    const size_t some = SOME_ROWS(count - first, KEY_ROWS);
    WITH_CONSTANT_ROWS(some, KEY_ROWS, score_rows, tile, rows, first)
    first += some;
  }
  soften(rows, count);
  for (size_t group = 0; group < ck_cache_groups(tile->cache->value_dims); ++group) {
    fetch_next(tile);
    float factors[ROWS];
    weigh_rows(tile, rows, count, group, factors);
    for (size_t first = 0; first < count;) {
      const size_t some = SOME_ROWS(count - first, VALUE_ROWS);
      for (size_t d = 0; d < GROUP; d += VALUE_VECTORS * LANES) {
        if (rows->corrects) {
          WITH_CONSTANT_ROWS(some, VALUE_ROWS, add_elements, true, tile, rows, factors, first, group, d)
        } else {
          WITH_CONSTANT_ROWS(some, VALUE_ROWS, add_elements, false, tile, rows, factors, first, group, d)
        }
      }
      first += some;
    }
  }
}

/// A tile's scales as fp32, [groups, positions].
static void open_scales(const uint16_t *scales, size_t groups, float *out) {
  for (size_t i = 0; i < groups * TILE; i += LANES) v_store(out + i, v_load_bf16(scales + i));
}

/// Lays a tile out for products: levels of keys by fours of elements, those of values by fours of positions.
static void open_tile(q8_tile *tile, const char *keys, const char *values) {
  const size_t key_width = ck_cache_padded(tile->cache->key_dims);
  const size_t value_width = ck_cache_padded(tile->cache->value_dims);
  const size_t groups = ck_cache_groups(tile->cache->value_dims);
  const bool shares = values == keys;
  const ck_q8_scratch *const to = &tile->scratch;
  lay_keys((const uint8_t *)keys, key_width, to->keys);
  open_scales(ck_cache_scales(keys, key_width), ck_cache_groups(tile->cache->key_dims), to->key_scales);
  const size_t stride = (shares ? key_width : value_width) * 4;
  for (size_t at = 0; at < TILE / 4; ++at) {
    const int8_t *const from = (const int8_t *)values + at * stride;
    int8_t *const out = to->values + at * value_width * 4;
    for (size_t i = 0; i < value_width * 4; i += LANES * 4) b_store(out + i, b_transposed(b_load(from + i)));
  }
  open_scales(ck_cache_scales(values, shares ? key_width : value_width), groups, to->value_scales);
  for (size_t group = 0; group < groups; ++group) {
    const float *const scales = to->value_scales + group * TILE;
    vf highest = v_set(0.0f);
    UNROLL for (int i = 0; i < TILE_VECTORS; ++i) highest = v_max(v_load(scales + i * LANES), highest);
    const ck_q8_factors factors = ck_q8_value_factors(v_largest(highest));
    UNROLL for (int i = 0; i < TILE_VECTORS; ++i) {
      v_store(to->value_weights + group * TILE + i * LANES,
              v_multiply(v_load(scales + i * LANES), v_set(factors.weight)));
    }
    to->value_sums[group] = factors.sum;
  }
}

/// Where the tile lies that has `position`, and its part that begins `offset` after it.
static const char *tile_of(const ck_paged_cache *cache, size_t position, size_t offset) {
  const size_t first = position % cache->block_tokens / TILE * TILE;
  return (const char *)cache->blocks[position / cache->block_tokens] + first * cache->row_stride + offset;
}

/// Copies one position of vectors of `dims` elements from a tile to place `at` of another.
static void copy_position(const char *from, size_t position, size_t dims, char *to, size_t at) {
  const size_t padded = ck_cache_padded(dims), place = position % TILE;
  const char *const units = from + ck_cache_level(padded, 0, place);
  char *const out = to + ck_cache_level(padded, 0, at);
  for (size_t i = 0; i < padded * 4; i += CK_CACHE_UNIT) memcpy(out + i, units + i, 4);
  const uint16_t *const scales = ck_cache_scales(from, padded);
  uint16_t *const out_scales = ck_cache_scales(to, padded);
  for (size_t group = 0; group < ck_cache_groups(dims); ++group) {
    out_scales[group * TILE + at] = scales[group * TILE + place];
  }
}

/// Opens the tile from `start` on, of which [begin, end) are attended, and says what follows it.
static void meet_tile(q8_tile *tile, const uint32_t *positions, size_t start, size_t begin, size_t end, size_t last,
                      size_t row_groups) {
  const ck_paged_cache *const cache = tile->cache;
  const bool shares = ck_values_in_keys(cache);
  const size_t key_bytes = ck_cache_position_bytes(CK_CACHE_Q8, cache->key_dims) * TILE;
  const size_t value_bytes = ck_cache_position_bytes(CK_CACHE_Q8, cache->value_dims) * TILE;
  tile->next_lines[0] = tile->next_lines[1] = 0;
  if (positions == NULL) {
    const char *const keys = tile_of(cache, start, cache->key_offset);
    open_tile(tile, keys, shares ? keys : tile_of(cache, start, cache->value_offset));
    if (start + TILE >= last) return;
    tile->next[0] = tile_of(cache, start + TILE, cache->key_offset);
    tile->next_lines[0] = key_bytes / 64;
    if (!shares) {
      tile->next[1] = tile_of(cache, start + TILE, cache->value_offset);
      tile->next_lines[1] = value_bytes / 64;
    }
    const size_t steps = row_groups * (TILE / LANES / KEY_VECTORS) * ck_cache_groups(cache->key_dims);
    tile->lines_a_step = tile->next_lines[0] / (steps + 1) + 1;
    return;
  }
  char *const keys = tile->scratch.gathered, *const values = shares ? keys : keys + key_bytes;
  for (size_t at = begin; at < end; ++at) {
    const size_t position = positions[start + at];
    copy_position(tile_of(cache, position, cache->key_offset), position, cache->key_dims, keys, at);
    if (shares) continue;
    copy_position(tile_of(cache, position, cache->value_offset), position, cache->value_dims, values, at);
  }
  open_tile(tile, keys, values);
}

static void attend_batch(const ck_paged_cache *cache, const uint32_t *positions, const ck_query_row *rows,
                         size_t row_count, float scale, float *scratch) {
  row_state states[CK_Q8_MOST_ROWS];
  size_t bytes, first = SIZE_MAX, last = 0;
  q8_tile tile = {.cache = cache, .scratch = ck_q8_scratch_at(cache, scratch, &bytes), .row_count = row_count};
  memset(tile.scratch.sums, 0, row_count * ck_cache_padded(cache->value_dims) * sizeof(float));
  for (size_t r = 0; r < row_count; ++r) {
    states[r] = (row_state){-INFINITY, 0};
    ck_q8_round_query(rows[r].query, cache->key_dims, scale, ck_q8_query_at(tile.scratch.queries, r, cache->key_dims));
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
    meet_tile(&tile, positions, start, begin, end, last, (met + KEY_ROWS - 1) / KEY_ROWS);
    q8_rows some;
    size_t filled = 0;
    for (size_t r = 0; r < row_count; ++r) {
      if (rows[r].begin < start + TILE && rows[r].end > start) {
        some.indices[filled] = r;
        some.states[filled] = states + r;
        some.queries[filled] = ck_q8_query_at(tile.scratch.queries, r, cache->key_dims);
        some.begin[filled] = rows[r].begin > start ? rows[r].begin - start : 0;
        some.end[filled] = rows[r].end < start + TILE ? rows[r].end - start : TILE;
        some.is_part[filled] = some.end[filled] - some.begin[filled] < TILE;
        ++filled;
      }
      if (filled == ROWS || (filled > 0 && r + 1 == row_count)) {
        attend_rows(&tile, &some, filled);
        filled = 0;
      }
    }
  }
  for (size_t r = 0; r < row_count; ++r) {
    float before = 1;
    if (rows[r].sink != NULL) {
      const float sink = *rows[r].sink;
      const bool raises = sink > states[r].largest;
      const float smaller = ck_exp_scalar(raises ? states[r].largest - sink : sink - states[r].largest);
      before = raises ? smaller : 1;
      states[r].denominator = states[r].denominator * before + (raises ? 1 : smaller);
    }
    for (size_t d = 0; d < cache->value_dims; d += LANES) {
      const size_t n = cache->value_dims - d < LANES ? cache->value_dims - d : LANES;
      const vf sum = v_multiply(v_load(group_sums(&tile, d / GROUP, r) + d % GROUP), v_set(before));
      v_store_first(rows[r].out + d, v_divide(sum, v_set(states[r].denominator)), n);
    }
  }
}

void ATTENTION(const ck_paged_cache *cache, const uint32_t *positions, const ck_query_row *rows, size_t row_count,
               float scale, float *scratch) {
  const size_t batch = ck_q8_batch(cache);
  for (size_t r = 0; r < row_count; r += batch) {
    attend_batch(cache, positions, rows + r, row_count - r < batch ? row_count - r : batch, scale, scratch);
  }
}
