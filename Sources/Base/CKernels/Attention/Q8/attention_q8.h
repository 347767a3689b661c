// What the kernels of a q8 cache share: where it keeps its bytes, and how vectors are rounded to it.
#ifndef C_KERNELS_ATTENTION_Q8_H
#define C_KERNELS_ATTENTION_Q8_H
#include <math.h>

#include "../attention_kernels.h"
#pragma STDC FP_CONTRACT OFF

// Elements that share a scale.
#define CK_CACHE_GROUP 32
// Bytes of four elements of four positions, which lie together.
#define CK_CACHE_UNIT 16
/// Rows whose states a kernel keeps at once.
#define CK_Q8_MOST_ROWS 512

static inline size_t ck_cache_groups(size_t dims) { return (dims + CK_CACHE_GROUP - 1) / CK_CACHE_GROUP; }
/// Elements of a vector with those that fill its last group.
static inline size_t ck_cache_padded(size_t dims) { return ck_cache_groups(dims) * CK_CACHE_GROUP; }

/// Where a tile keeps element d of position `at`, in a vector of `padded` elements.
static inline size_t ck_cache_level(size_t padded, size_t d, size_t at) {
  return (at / 4 * padded + d / 4 * 4) * 4 + at % 4 * 4 + d % 4;
}

/// A tile's scales, [groups, CK_ATTENTION_TILE] upper halves of fp32, behind its levels.
static inline uint16_t *ck_cache_scales(const void *tile, size_t padded) {
  return (uint16_t *)(uintptr_t)((const char *)tile + padded * CK_ATTENTION_TILE);
}

/// Rounds a group of a cached vector or of a query, `count` elements and zeros, to levels from -127 to 127. Returns the
/// scale: the largest magnitude / 127, of cached vectors raised to the next bf16; 0 if no magnitude reaches 2^-100; inf
/// where one is infinite or NaN, all levels being 0.
static inline float ck_cache_round(const float *x, size_t count, bool is_query, int8_t levels[CK_CACHE_GROUP]) {
  float padded[CK_CACHE_GROUP] = {0};
  if (count < CK_CACHE_GROUP) x = memcpy(padded, x, count * sizeof *x);
  uint32_t largest = 0;
  for (size_t i = 0; i < CK_CACHE_GROUP; ++i) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    bits &= 0x7fffffff;
    largest = bits > largest ? bits : largest;
  }
  if (largest < 0x0d800000 || largest >= 0x7f800000) {
    memset(levels, 0, CK_CACHE_GROUP);
    return largest < 0x7f800000 ? 0.0f : INFINITY;
  }
  float magnitude;
  memcpy(&magnitude, &largest, sizeof magnitude);
  float scale = magnitude / 127.0f;
  if (!is_query) {
    uint32_t bits;
    memcpy(&bits, &scale, sizeof bits);
    bits = (bits + 0xffff) & 0xffff0000;
    memcpy(&scale, &bits, sizeof scale);
  }
  const float factor = 1.0f / scale;
  for (size_t i = 0; i < CK_CACHE_GROUP; ++i) {
    // 1.5 * 2^23 leaves the nearest integer, ties to even, in the low bits.
    const float shifted = x[i] * factor + 0x1.8p+23f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    levels[i] = (int8_t)(bits & 0xff);
  }
  return scale;
}

/// A query as it meets keys: levels [padded], scales [groups] that contain the factor on scores, and each group's sum
/// of levels [groups].
typedef struct {
  int8_t *levels;
  float *scales;
  int32_t *sums;
} ck_q8_query;

static inline size_t ck_q8_query_bytes(size_t dims) {
  return ck_cache_padded(dims) + ck_cache_groups(dims) * (sizeof(float) + sizeof(int32_t));
}

static inline ck_q8_query ck_q8_query_at(void *memory, size_t index, size_t dims) {
  char *const own = (char *)memory + index * ck_q8_query_bytes(dims);
  float *const scales = (float *)(void *)own;
  int32_t *const sums = (int32_t *)(void *)(scales + ck_cache_groups(dims));
  return (ck_q8_query){(int8_t *)(sums + ck_cache_groups(dims)), scales, sums};
}

static inline void ck_q8_round_query(const float *query, size_t dims, float scale, ck_q8_query to) {
  for (size_t group = 0; group < ck_cache_groups(dims); ++group) {
    const size_t first = group * CK_CACHE_GROUP, left = dims - first;
    int8_t *const levels = to.levels + first;
    const size_t count = left < CK_CACHE_GROUP ? left : CK_CACHE_GROUP;
    to.scales[group] = ck_cache_round(query + first, count, true, levels) * scale;
    int32_t sum = 0;
    for (size_t i = 0; i < CK_CACHE_GROUP; ++i) sum += levels[i];
    to.sums[group] = sum;
  }
}

/// What a tile's largest scale of a group makes of it: the factor from scales to weights of probabilities, and the
/// factor on the sums of weights and levels. An infinite scale makes everything NaN.
typedef struct {
  float weight, sum;
} ck_q8_factors;

static inline ck_q8_factors ck_q8_value_factors(float largest) {
  const bool some = largest > 0 && largest < INFINITY;
  return (ck_q8_factors){some ? 127.0f / largest : 0.0f, largest < INFINITY ? largest / 127.0f : NAN};
}

/// Rows attended at once: queries and accumulators take a quarter of a second-level cache of a megabyte.
static inline size_t ck_q8_batch(const ck_paged_cache *cache) {
  const size_t row = ck_q8_query_bytes(cache->key_dims) + ck_cache_padded(cache->value_dims) * sizeof(float);
  const size_t rows = 256 * 1024 / row;
  return rows < 8 ? 8 : rows > CK_Q8_MOST_ROWS ? CK_Q8_MOST_ROWS : rows;
}

/// Memory of the vector kernels: levels of a tile's keys and values as they are multiplied, both's scales, what their
/// largest ones give, a batch's queries.
typedef struct {
  uint8_t *keys;         // [key elements / 4, positions, 4], unsigned where the instruction set wants them so
  int8_t *values;        // [positions / 4, value elements, 4]
  float *key_scales;     // [groups of keys, positions]
  float *value_scales;   // [groups of values, positions]
  float *value_weights;  // likewise, over the largest of the group
  float *value_sums;     // [groups of values]
  void *queries;
  float *sums;     // [groups of values, rows, elements of a group]
  void *gathered;  // a tile of chosen positions, as a cache keeps it: keys, then values unless they are parts of keys
} ck_q8_scratch;

static inline ck_q8_scratch ck_q8_scratch_at(const ck_paged_cache *cache, void *memory, size_t *bytes) {
  const size_t keys = ck_cache_padded(cache->key_dims), values = ck_cache_padded(cache->value_dims);
  const size_t key_groups = ck_cache_groups(cache->key_dims), value_groups = ck_cache_groups(cache->value_dims);
  ck_q8_scratch all;
  char *const start = memory;
  size_t used = 0;
#define TAKE(part, count)                                   \
  all.part = start == NULL ? NULL : (void *)(start + used); \
  used += ((count) + 63) / 64 * 64
  TAKE(keys, keys * CK_ATTENTION_TILE);
  TAKE(values, values * CK_ATTENTION_TILE);
  TAKE(key_scales, key_groups * CK_ATTENTION_TILE * sizeof(float));
  TAKE(value_scales, value_groups * CK_ATTENTION_TILE * sizeof(float));
  TAKE(value_weights, value_groups * CK_ATTENTION_TILE * sizeof(float));
  TAKE(value_sums, value_groups * sizeof(float));
  TAKE(queries, ck_q8_batch(cache) * ck_q8_query_bytes(cache->key_dims));
  TAKE(sums, ck_q8_batch(cache) * values * sizeof(float));
  // Last: nothing has it where no positions are chosen.
  *bytes = used;
  TAKE(gathered, 0);
#undef TAKE
  return all;
}
#endif
