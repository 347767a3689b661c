// The portable reference of attention, and the choice of an instruction set.
#include "attention.h"
#include "../kernels.h"
#include "../Vectors/exp.h"
#pragma STDC FP_CONTRACT OFF

#define TILE CK_ATTENTION_TILE

static float halved(float lanes[16]) {
  for (int width = 8; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

void ck_cache_store(ck_cache_type type, const float *from, size_t count, void *to) {
  if (type == CK_CACHE_F32) {
    memcpy(to, from, count * sizeof(float));
    return;
  }
  uint16_t *const out = to;
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits;
    memcpy(&bits, from + i, sizeof bits);
    const uint32_t nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    // A NaN keeps its sign and upper bits, and becomes quiet: rounded, it could turn into an infinity.
    out[i] = (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : nearest);
  }
}

/// Where the elements of one position begin that lie `offset` after its row, and each of them.
typedef struct {
  ck_cache_type type;
  const void *block;
  size_t first;
} cached_vector;

static cached_vector cached(const ck_paged_cache *cache, size_t position, size_t offset) {
  const size_t first = position % cache->block_tokens * cache->row_stride + offset;
  return (cached_vector){cache->type, cache->blocks[position / cache->block_tokens], first};
}

static float element(cached_vector vector, size_t i) {
  if (vector.type == CK_CACHE_F32) return ((const float *)vector.block)[vector.first + i];
  return ck_float_from_bf16(((const uint16_t *)vector.block)[vector.first + i]);
}

static float dot(const float *query, cached_vector key, size_t dims) {
  float lanes[16] = {0};
  for (size_t d = 0; d < dims; ++d) lanes[d % 16] = fmaf(query[d], element(key, d), lanes[d % 16]);
  // The last sixteen are taken as padded with zeros; adding +0 turns a lane of -0 into +0.
  if (dims % 16 != 0) {
    for (size_t lane = dims % 16; lane < 16; ++lane) lanes[lane] += 0.0f;
  }
  return halved(lanes);
}

/// What is known of one row after some of its tiles: the running maximum and sum of the softmax.
typedef struct {
  float largest;
  float denominator;
} softmax_state;

/// Takes a new largest score into account; everything summed so far must be multiplied by the result.
static float raise_largest(softmax_state *state, float score) {
  const float raised = score > state->largest ? score : state->largest;
  const float correction = ck_exp_scalar(state->largest - raised);
  state->largest = raised;
  state->denominator *= correction;
  return correction;
}

/// What position `at` of the rows is called in the cache.
static size_t own_name(const uint32_t *positions, size_t at) { return positions == NULL ? at : positions[at]; }

static void attend_tile(const ck_paged_cache *cache, const uint32_t *positions, const ck_query_row *row, float scale,
                        size_t tile, size_t begin, size_t end, softmax_state *state) {
  float p[TILE];
  float largest = -INFINITY;
  for (size_t at = begin; at < end; ++at) {
    const cached_vector key = cached(cache, own_name(positions, at), cache->key_offset);
    const float score = dot(row->query, key, cache->key_dims) * scale;
    p[at - tile] = score;
    largest = score > largest ? score : largest;
  }
  const float correction = raise_largest(state, largest);
  float lanes[16] = {0};
  for (size_t at = begin; at < end; ++at) {
    p[at - tile] = ck_exp_scalar(p[at - tile] - state->largest);
    lanes[(at - tile) % 16] += p[at - tile];
  }
  state->denominator += halved(lanes);
  for (size_t d = 0; d < cache->value_dims; ++d) row->out[d] *= correction;
  for (size_t at = begin; at < end; ++at) {
    const cached_vector value = cached(cache, own_name(positions, at), cache->value_offset);
    for (size_t d = 0; d < cache->value_dims; ++d) row->out[d] = fmaf(p[at - tile], element(value, d), row->out[d]);
  }
}

void ck_reference_attention(const ck_paged_cache *cache, const uint32_t *positions, const ck_query_row *rows,
                            size_t row_count, float scale, float *scratch) {
  (void)scratch;
  for (size_t r = 0; r < row_count; ++r) {
    const ck_query_row *const row = rows + r;
    softmax_state state = {-INFINITY, 0};
    for (size_t d = 0; d < cache->value_dims; ++d) row->out[d] = 0;
    for (size_t tile = row->begin / TILE * TILE; tile < row->end; tile += TILE) {
      const size_t begin = row->begin > tile ? row->begin : tile;
      const size_t end = row->end < tile + TILE ? row->end : tile + TILE;
      attend_tile(cache, positions, row, scale, tile, begin, end, &state);
    }
    float correction = 1;
    if (row->sink != NULL) {
      correction = raise_largest(&state, *row->sink);
      state.denominator += ck_exp_scalar(*row->sink - state.largest);
    }
    for (size_t d = 0; d < cache->value_dims; ++d) row->out[d] = row->out[d] * correction / state.denominator;
  }
}

size_t ck_attention_chosen_scratch(const ck_paged_cache *cache) {
  if (cache->type == CK_CACHE_Q8) return ck_q8_chosen_scratch_floats(cache);
  return TILE * (cache->key_dims + (ck_values_in_keys(cache) ? 0 : cache->value_dims));
}

size_t ck_attention_scratch(const ck_paged_cache *cache) {
  if (cache->type == CK_CACHE_Q8) return ck_q8_scratch_floats(cache);
  return cache->type == CK_CACHE_F32 ? 0 : ck_attention_chosen_scratch(cache);
}

static ck_attention_kernel *kernel(ck_isa isa, ck_cache_type type) {
  return type == CK_CACHE_Q8 ? ck_kernels_of[isa]->attention_q8 : ck_kernels_of[isa]->attention;
}

void ck_attention(ck_isa isa, const ck_paged_cache *cache, const ck_query_row *rows, size_t row_count, float scale,
                  float *scratch) {
  kernel(isa, cache->type)(cache, NULL, rows, row_count, scale, scratch);
}

void ck_attention_chosen(ck_isa isa, const ck_paged_cache *cache, const uint32_t *positions, const ck_query_row *rows,
                         size_t row_count, float scale, float *scratch) {
  kernel(isa, cache->type)(cache, positions, rows, row_count, scale, scratch);
}
