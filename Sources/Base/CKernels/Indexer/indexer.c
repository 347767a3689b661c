// The portable reference of the indexer's scores, and the choice by them.
#include "indexer.h"

#include <math.h>

#include "../kernels.h"
#pragma STDC FP_CONTRACT OFF

void ck_index_store(const ck_index_cache *cache, const float *key, size_t position) {
  const size_t bytes = ck_cache_element_bytes(cache->type), stride = cache->block_tokens * bytes;
  const char *const block = cache->blocks[position / cache->block_tokens];
  char *to = (char *)(uintptr_t)block + (cache->offset + position % cache->block_tokens) * bytes;
  for (size_t d = 0; d < cache->dims; ++d, to += stride) ck_cache_store(cache->type, key + d, 1, to);
}

static float element(const ck_index_cache *cache, size_t position, size_t d) {
  const void *const block = cache->blocks[position / cache->block_tokens];
  const size_t at = cache->offset + d * cache->block_tokens + position % cache->block_tokens;
  return cache->type == CK_CACHE_F32 ? ((const float *)block)[at] : ck_float_from_bf16(((const uint16_t *)block)[at]);
}

void ck_reference_index_scores(const ck_index_cache *cache, const float *queries, const float *weights, size_t heads,
                               size_t begin, size_t end, float *scores) {
  for (size_t position = begin; position < end; ++position) {
    float sum = 0;
    for (size_t h = 0; h < heads; ++h) {
      float dot = 0;
      for (size_t d = 0; d < cache->dims; ++d)
        dot = fmaf(queries[h * cache->dims + d], element(cache, position, d), dot);
      sum = fmaf(weights[h], dot > 0 ? dot : 0.0f, sum);
    }
    scores[position - begin] = sum;
  }
}

void ck_index_scores(ck_isa isa, const ck_index_cache *cache, const float *queries, const float *weights, size_t heads,
                     size_t begin, size_t end, float *scores) {
  ck_kernels_of[isa]->index_scores(cache, queries, weights, heads, begin, end, scores);
}

/// A number that grows with the score; 0 for NaN.
static uint32_t key_of(float score) {
  const float sum = score + 0.0f;  // -0 becomes +0
  uint32_t bits;
  memcpy(&bits, &sum, sizeof bits);
  if ((bits & 0x7fffffff) > 0x7f800000) return 0;
  return bits >> 31 ? ~bits : bits | 0x80000000;
}

/// Digits of a key from the highest, which are counted one after another.
enum { DIGITS = 3, DIGIT_VALUES = 1 << 11 };
static const uint32_t digit_shift[DIGITS] = {21, 10, 0}, digit_values[DIGITS] = {1 << 11, 1 << 11, 1 << 10};

void ck_index_choose(const float *scores, size_t count, size_t wanted, uint32_t *chosen) {
  if (wanted == 0) return;
  // The least key that is taken, a digit at a time; `left` are to be found among the keys that begin as it does.
  uint32_t least = 0, known = 0;
  size_t left = wanted;
  for (int digit = 0; digit < DIGITS; ++digit) {
    uint32_t counts[DIGIT_VALUES] = {0};
    const uint32_t shift = digit_shift[digit], mask = digit_values[digit] - 1;
    for (size_t i = 0; i < count; ++i) {
      const uint32_t key = key_of(scores[i]);
      if ((key & known) == least) ++counts[key >> shift & mask];
    }
    uint32_t value = mask;
    for (; counts[value] < left; --value) left -= counts[value];
    least |= value << shift;
    known |= mask << shift;
  }
  for (size_t i = 0; wanted > 0; ++i) {
    const uint32_t key = key_of(scores[i]);
    if (key < least || (key == least && left == 0)) continue;
    if (key == least) --left;
    *chosen++ = (uint32_t)i;
    --wanted;
  }
}
