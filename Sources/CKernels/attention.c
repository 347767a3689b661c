// The portable reference of attention, and the choice of an instruction set.
#include "attention.h"
#include "attention_kernels.h"
#include "exp.h"
#pragma STDC FP_CONTRACT OFF

#define TILE CK_ATTENTION_TILE

static float halved(float lanes[16]) {
  for (int width = 8; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

static float dot(const float *query, const float *key, size_t dims) {
  float lanes[16] = {0};
  for (size_t d = 0; d < dims; ++d) lanes[d % 16] = fmaf(query[d], key[d], lanes[d % 16]);
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

static void attend_tile(const ck_paged_cache *cache, const ck_query_row *row, float scale, size_t tile, size_t begin,
                        size_t end, softmax_state *state) {
  float p[TILE];
  float largest = -INFINITY;
  for (size_t at = begin; at < end; ++at) {
    const float score = dot(row->query, ck_cache_row(cache, at) + cache->key_offset, cache->key_dims) * scale;
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
    const float *const value = ck_cache_row(cache, at) + cache->value_offset;
    for (size_t d = 0; d < cache->value_dims; ++d) row->out[d] = fmaf(p[at - tile], value[d], row->out[d]);
  }
}

void ck_reference_attention(const ck_paged_cache *cache, const ck_query_row *rows, size_t row_count, float scale) {
  for (size_t r = 0; r < row_count; ++r) {
    const ck_query_row *const row = rows + r;
    softmax_state state = {-INFINITY, 0};
    for (size_t d = 0; d < cache->value_dims; ++d) row->out[d] = 0;
    for (size_t tile = row->begin / TILE * TILE; tile < row->end; tile += TILE) {
      const size_t begin = row->begin > tile ? row->begin : tile;
      const size_t end = row->end < tile + TILE ? row->end : tile + TILE;
      attend_tile(cache, row, scale, tile, begin, end, &state);
    }
    float correction = 1;
    if (row->sink != NULL) {
      correction = raise_largest(&state, *row->sink);
      state.denominator += ck_exp_scalar(*row->sink - state.largest);
    }
    for (size_t d = 0; d < cache->value_dims; ++d) row->out[d] = row->out[d] * correction / state.denominator;
  }
}

void ck_attention(ck_isa isa, const ck_paged_cache *cache, const ck_query_row *rows, size_t row_count, float scale) {
  switch (isa) {
#if defined(__x86_64__)
    case CK_ISA_AVX2: ck_avx2_attention(cache, rows, row_count, scale); return;
    case CK_ISA_AVX512: ck_avx512_attention(cache, rows, row_count, scale); return;
#elif defined(__aarch64__)
    case CK_ISA_NEON: ck_neon_attention(cache, rows, row_count, scale); return;
#endif
    default: ck_reference_attention(cache, rows, row_count, scale);
  }
}
