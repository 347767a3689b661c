// Softmax attention of query rows over a paged cache. Same bits on every instruction set, for any grouping
// of rows into calls.
#ifndef C_KERNELS_ATTENTION_H
#define C_KERNELS_ATTENTION_H
#include "isa.h"

/// Positions are walked in tiles of this many, aligned to absolute positions.
#define CK_ATTENTION_TILE 32

/// How a cache holds its elements.
typedef enum {
  CK_CACHE_F32 = 0,
  CK_CACHE_BF16 = 1,  // the upper halves of fp32 numbers; expanded exactly, all arithmetic is fp32
  CK_CACHE_Q8 = 2,    // levels of a byte, 32 of which share a scale; products are of integers
} ck_cache_type;

/// Writes `count` elements to an fp32 or bf16 cache: copied, or rounded to the nearest bf16, ties to even, NaN to a
/// NaN.
void ck_cache_store(ck_cache_type type, const float *from, size_t count, void *to);

/// Bytes that one position's vector of `dims` elements takes. A q8 cache keeps whole groups of 32: a byte an element
/// and two a group.
size_t ck_cache_position_bytes(ck_cache_type type, size_t dims);

/// Writes a vector to a tile of CK_ATTENTION_TILE positions of a q8 cache, as its position `at`.
///
/// The tile is levels [positions / 4][elements / 4][4 positions][4 elements] and then scales [groups][positions], bf16.
/// A group's scale is its largest magnitude / 127 in fp32, raised to the next bf16; level = the nearest integer, ties
/// to even, to x * (1 / scale), in fp32. A group with no magnitude of 2^-100 is zero with a scale of zero; one with
/// infinity or NaN is zero with an infinite scale, and makes NaN of every row that attends it.
void ck_cache_store_q8(const float *from, size_t dims, void *tile, size_t at);

/// The part of a paged cache one attention call reads. Position p lives in block p / block_tokens, at
/// row p % block_tokens of it: key = blocks[p / block_tokens] + (p % block_tokens) * row_stride + key_offset,
/// likewise value. Strides and offsets count elements. block_tokens is a multiple of CK_ATTENTION_TILE.
///
/// Of a q8 cache they count bytes, and what lies there is not a row but, for p a multiple of CK_ATTENTION_TILE, the
/// tile that begins with it. Where values are parts of keys, they are their first elements.
typedef struct {
  ck_cache_type type;
  const void *const *blocks;
  size_t block_tokens;
  size_t row_stride;
  size_t key_offset;
  size_t value_offset;
  size_t key_dims;
  size_t value_dims;
} ck_paged_cache;

/// One query row: attends positions [begin, end), begin < end. `sink`, if not NULL, points to one logit that takes
/// probability mass and contributes no value.
typedef struct {
  const float *query;  // [key_dims]
  float *out;          // [value_dims]
  const float *sink;
  size_t begin;
  size_t end;
} ck_query_row;

/// For each row: s_p = scale * dot(query, key_p); out = sum_p softmax(s)_p * value_p.
///
/// Order, per row, by absolute tiles of CK_ATTENTION_TILE positions intersected with [begin, end):
/// dot = sixteen-lane chain of fused multiply-adds over dims (lane l takes l, l+16, …, the last sixteen padded with
/// zeros), lanes halved as in elementwise.h, then * scale. m' = max(m, max of the tile's scores); correction =
/// ck_exp(m - m'), m being -inf before the first tile; p_j = ck_exp(s_j - m'); denominator = denominator * correction +
/// lane sum of the tile's p (lane = position within tile mod 16, absent positions add nothing); acc[d] = acc[d] *
/// correction, then a chain of fma(p_j, value_j[d], acc[d]) in ascending j. After the last tile, with a sink: m' =
/// max(m, sink), denominator and acc are corrected likewise, denominator += ck_exp(sink - m'). out = acc / denominator.
///
/// Over a q8 cache a query is rounded like a vector of the cache, but to scales of fp32, which are multiplied by
/// `scale`. dot = a chain, over groups in ascending order from +0, of fma(sum, key's scale * query's scale, dot), where
/// sum is the exact one of products of levels. With t the largest score of the tile's attended positions, p_j =
/// ck_exp(s_j - t); m' = max(m, t), the tile's factor is ck_exp(t - m') (1 if t > m) and the correction ck_exp(m - m')
/// (1 if not). denominator = denominator * correction + factor * lane sum of p. For each group of value elements, with
/// v the largest of the attended positions' scales: weight_j = the nearest integer, ties to even, to p_j * (scale_j *
/// (127 / v)); acc[d] = fma(sum of weight_j * level_j[d], factor * (v / 127), acc[d] * correction). The sink is a tile
/// with a score and no value. A tile whose attended scores are all -inf makes its row NaN.
///
/// Rows that share a cache should share a call, those with equal [begin, end) next to each other: four at a time they
/// share what is loaded. The outputs of a call must not overlap each other, its queries or the cache; a position
/// outside every row's range does not matter. A score of NaN or +inf, or none but -inf, makes its row NaN.
///
/// `scratch` has room for ck_attention_scratch(cache) floats, none for an fp32 cache: the vector kernels expand a tile
/// of bf16 once for all rows, and lay one of q8 out for products.
void ck_attention(ck_isa isa, const ck_paged_cache *cache, const ck_query_row *rows, size_t row_count, float scale,
                  float *scratch);
size_t ck_attention_scratch(const ck_paged_cache *cache);

/// The same over some positions alone: as ck_attention over a cache whose position i is this one's positions[i], in
/// every bit. A row's [begin, end) counts chosen positions, and so do tiles; `positions` has as many as the greatest
/// end.
///
/// `scratch` has room for ck_attention_chosen_scratch(cache) floats: a tile's rows are gathered there, as fp32 or q8.
void ck_attention_chosen(ck_isa isa, const ck_paged_cache *cache, const uint32_t *positions, const ck_query_row *rows,
                         size_t row_count, float scale, float *scratch);
size_t ck_attention_chosen_scratch(const ck_paged_cache *cache);
#endif
