// Attention over a q8 cache: how it is written, and the portable reference.
#include "attention_q8.h"

#include "../../Vectors/exp.h"
#pragma STDC FP_CONTRACT OFF

#define TILE CK_ATTENTION_TILE

size_t ck_cache_position_bytes(ck_cache_type type, size_t dims) {
  if (type != CK_CACHE_Q8) return dims * ck_cache_element_bytes(type);
  return ck_cache_groups(dims) * (CK_CACHE_GROUP + sizeof(uint16_t));
}

void ck_cache_store_q8(const float *from, size_t dims, void *tile, size_t at) {
  const size_t padded = ck_cache_padded(dims);
  char *const units = (char *)tile + ck_cache_level(padded, 0, at);
  uint16_t *const scales = ck_cache_scales(tile, padded);
  for (size_t group = 0; group < ck_cache_groups(dims); ++group) {
    const size_t first = group * CK_CACHE_GROUP, left = dims - first;
    int8_t levels[CK_CACHE_GROUP];
    const float scale = ck_cache_round(from + first, left < CK_CACHE_GROUP ? left : CK_CACHE_GROUP, false, levels);
    uint32_t bits;
    memcpy(&bits, &scale, sizeof bits);
    scales[group * TILE + at] = (uint16_t)(bits >> 16);
    for (size_t i = 0; i < CK_CACHE_GROUP; i += 4) memcpy(units + (first + i) * 4, levels + i, 4);
  }
}

/// Where a tile's vectors begin that lie `offset` after it, and one of its positions.
typedef struct {
  const int8_t *tile;
  size_t padded, at;
} cached_vector;

static cached_vector cached(const ck_paged_cache *cache, size_t position, size_t offset, size_t dims) {
  const size_t row = position % cache->block_tokens, first = row / TILE * TILE;
  const int8_t *const block = cache->blocks[position / cache->block_tokens];
  return (cached_vector){block + first * cache->row_stride + offset, ck_cache_padded(dims), row - first};
}

static int32_t level(cached_vector vector, size_t d) {
  return vector.tile[ck_cache_level(vector.padded, d, vector.at)];
}

static float scale_of(cached_vector vector, size_t group) {
  return ck_float_from_bf16(ck_cache_scales(vector.tile, vector.padded)[group * TILE + vector.at]);
}

static float score_of(ck_q8_query query, cached_vector key, size_t groups) {
  float score = 0;
  for (size_t group = 0; group < groups; ++group) {
    int32_t sum = 0;
    for (size_t d = group * CK_CACHE_GROUP; d < (group + 1) * CK_CACHE_GROUP; ++d)
      sum += query.levels[d] * level(key, d);
    score = fmaf((float)sum, scale_of(key, group) * query.scales[group], score);
  }
  return score;
}

static float halved(float lanes[16]) {
  for (int width = 8; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

/// The running maximum and sum of the softmax, and what a tile means for them: the factors on everything before and on
/// the tile.
typedef struct {
  float largest, denominator, before, now;
} softmax_state;

static void take_tile(softmax_state *state, float largest) {
  const bool raises = largest > state->largest;
  const float smaller = ck_exp_scalar(raises ? state->largest - largest : largest - state->largest);
  state->before = raises ? smaller : 1;
  state->now = raises ? 1 : smaller;
  state->largest = raises ? largest : state->largest;
}

/// The value part of a tile: one group of elements.
static void accumulate(const cached_vector *values, const float *p, size_t count, size_t group, size_t value_dims,
                       const softmax_state *state, float *out) {
  float largest = 0;
  for (size_t i = 0; i < count; ++i) {
    const float scale = scale_of(values[i], group);
    largest = scale > largest ? scale : largest;
  }
  const ck_q8_factors factors = ck_q8_value_factors(largest);
  int32_t weights[TILE];
  for (size_t i = 0; i < count; ++i) {
    const float weight = p[i] * (scale_of(values[i], group) * factors.weight);
    weights[i] = weight == weight ? (int32_t)nearbyintf(weight) : 0;
  }
  const float factor = state->now * factors.sum;
  for (size_t d = group * CK_CACHE_GROUP; d < value_dims && d < (group + 1) * CK_CACHE_GROUP; ++d) {
    int32_t sum = 0;
    for (size_t i = 0; i < count; ++i) sum += weights[i] * level(values[i], d);
    out[d] = fmaf((float)sum, factor, out[d] * state->before);
  }
}

static void attend_tile(const ck_paged_cache *cache, const uint32_t *positions, ck_q8_query query, float *out,
                        size_t tile, size_t begin, size_t end, softmax_state *state) {
  cached_vector values[TILE];
  float p[TILE], largest = -INFINITY;
  const size_t count = end - begin;
  for (size_t i = 0; i < count; ++i) {
    const size_t position = positions == NULL ? begin + i : positions[begin + i];
    const cached_vector key = cached(cache, position, cache->key_offset, cache->key_dims);
    values[i] = ck_values_in_keys(cache) ? key : cached(cache, position, cache->value_offset, cache->value_dims);
    p[i] = score_of(query, key, ck_cache_groups(cache->key_dims));
    largest = p[i] > largest ? p[i] : largest;
  }
  take_tile(state, largest);
  float lanes[16] = {0};
  for (size_t i = 0; i < count; ++i) {
    p[i] = ck_exp_scalar(p[i] - largest);
    lanes[(begin + i - tile) % 16] += p[i];
  }
  state->denominator = state->denominator * state->before + state->now * halved(lanes);
  for (size_t group = 0; group < ck_cache_groups(cache->value_dims); ++group) {
    accumulate(values, p, count, group, cache->value_dims, state, out);
  }
}

static void attend_row(const ck_paged_cache *cache, const uint32_t *positions, const ck_query_row *row, float scale,
                       ck_q8_query query) {
  softmax_state state = {-INFINITY, 0, 1, 1};
  ck_q8_round_query(row->query, cache->key_dims, scale, query);
  for (size_t d = 0; d < cache->value_dims; ++d) row->out[d] = 0;
  for (size_t tile = row->begin / TILE * TILE; tile < row->end; tile += TILE) {
    const size_t begin = row->begin > tile ? row->begin : tile;
    const size_t end = row->end < tile + TILE ? row->end : tile + TILE;
    attend_tile(cache, positions, query, row->out, tile, begin, end, &state);
  }
  state.before = 1;
  if (row->sink != NULL) {
    take_tile(&state, *row->sink);
    state.denominator = state.denominator * state.before + state.now;
  }
  for (size_t d = 0; d < cache->value_dims; ++d) row->out[d] = row->out[d] * state.before / state.denominator;
}

void ck_reference_attention_q8(const ck_paged_cache *cache, const uint32_t *positions, const ck_query_row *rows,
                               size_t row_count, float scale, float *scratch) {
  size_t bytes;
  const ck_q8_query query = ck_q8_query_at(ck_q8_scratch_at(cache, scratch, &bytes).queries, 0, cache->key_dims);
  for (size_t r = 0; r < row_count; ++r) attend_row(cache, positions, rows + r, scale, query);
}

static size_t floats(size_t bytes) { return (bytes + sizeof(float) - 1) / sizeof(float); }

size_t ck_q8_scratch_floats(const ck_paged_cache *cache) {
  size_t bytes;
  ck_q8_scratch_at(cache, NULL, &bytes);
  return floats(bytes);
}

size_t ck_q8_chosen_scratch_floats(const ck_paged_cache *cache) {
  const size_t values = ck_values_in_keys(cache) ? 0 : cache->value_dims;
  const size_t position =
      ck_cache_position_bytes(CK_CACHE_Q8, cache->key_dims) + ck_cache_position_bytes(CK_CACHE_Q8, values);
  return ck_q8_scratch_floats(cache) + floats(TILE * position);
}
