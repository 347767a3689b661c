// The gradient of attention, out of products and of the row kernels of each instruction set.
#include <math.h>
#include <string.h>

#include "kernels.h"
#pragma STDC FP_CONTRACT OFF

#define TILE CG_QUERY_TILE

/// Floats from one row of a tile's scores to the next: a line more than a multiple of a page's part, so that the rows
/// of a column do not fall into the same few lines of the first-level cache.
static size_t score_stride(size_t tokens) { return (tokens + 127) / 128 * 128 + 16; }

size_t cg_attention_scratch(size_t tokens) { return cg_product_scratch() + 2 * TILE * score_stride(tokens); }

/// A tile of query rows [first, end) and what its scores are: p, then its gradients, each [TILE][stride], column 0 of
/// which is the first entry, or position lo where the tile's rows attend no `entries`. Rows before `middle` have no
/// positions from there on.
typedef struct {
  const cg_kernels *kernels;
  const cg_attention *call;
  float *p, *gradients, *scratch;
  size_t stride, lo, first, middle, end, entries;
} query_tile;

static const float *row_of(cg_rows rows, size_t t) { return rows.start + t * rows.stride; }
static float *mutable_row_of(cg_mutable_rows rows, size_t t) { return rows.start + t * rows.stride; }

/// Where the scores of row t begin.
static float *scores_of(const query_tile *tile, float *scores, size_t t) {
  return scores + (t - tile->first) * tile->stride;
}

/// Where the score of row t and a position is.
static float *score_of(const query_tile *tile, float *scores, size_t t, size_t position) {
  return scores_of(tile, scores, t) + tile->entries + (position - tile->lo);
}

static void multiply(const query_tile *tile, cg_product product) {
  if (product.rows > 0 && product.columns > 0) tile->kernels->product(&product, tile->scratch);
}

/// scores[t, j] = dot(rows[t], others[j]), t from `first` to the tile's end, j in [from, to)
static void score_part(const query_tile *tile, size_t first, size_t from, size_t to, cg_rows rows, cg_rows others,
                       size_t dims, float *scores) {
  multiply(tile, (cg_product){.rows = tile->end - first,
                              .columns = to - from,
                              .depth = dims,
                              .a = row_of(rows, first),
                              .a_row_stride = rows.stride,
                              .a_column_stride = 1,
                              .b = row_of(others, from),
                              .b_row_stride = 1,
                              .b_column_stride = others.stride,
                              .c = score_of(tile, scores, first, from),
                              .c_stride = tile->stride});
}

/// The same of the tile's entries.
static void score_entries(const query_tile *tile, cg_rows rows, size_t dims, float *scores) {
  multiply(tile, (cg_product){.rows = tile->end - tile->first,
                              .columns = tile->entries,
                              .depth = dims,
                              .a = row_of(rows, tile->first),
                              .a_row_stride = rows.stride,
                              .a_column_stride = 1,
                              .b = tile->call->entry.start,
                              .b_row_stride = 1,
                              .b_column_stride = tile->call->entry.stride,
                              .c = scores,
                              .c_stride = tile->stride});
}

static void score(const query_tile *tile, cg_rows rows, cg_rows others, size_t dims, float *scores) {
  score_entries(tile, rows, dims, scores);
  score_part(tile, tile->first, tile->lo, tile->middle, rows, others, dims, scores);
  score_part(tile, tile->middle, tile->middle, tile->end, rows, others, dims, scores);
}

/// sums[j] += sum over t of scores[t, j] * rows[t], t from `first` to the tile's end, j in [from, to)
static void add_part(const query_tile *tile, size_t first, size_t from, size_t to, float *scores, cg_rows rows,
                     size_t dims, cg_mutable_rows sums) {
  multiply(tile, (cg_product){.rows = to - from,
                              .columns = dims,
                              .depth = tile->end - first,
                              .a = score_of(tile, scores, first, from),
                              .a_row_stride = 1,
                              .a_column_stride = tile->stride,
                              .b = row_of(rows, first),
                              .b_row_stride = rows.stride,
                              .b_column_stride = 1,
                              .c = mutable_row_of(sums, from),
                              .c_stride = sums.stride,
                              .add = true});
}

/// dentry[j] += sum over t of scores[t, j] * rows[t], t of the tile
static void add_to_entries(const query_tile *tile, const float *scores, cg_rows rows, size_t dims) {
  multiply(tile, (cg_product){.rows = tile->entries,
                              .columns = dims,
                              .depth = tile->end - tile->first,
                              .a = scores,
                              .a_row_stride = 1,
                              .a_column_stride = tile->stride,
                              .b = row_of(rows, tile->first),
                              .b_row_stride = rows.stride,
                              .b_column_stride = 1,
                              .c = tile->call->dentry.start,
                              .c_stride = tile->call->dentry.stride,
                              .add = true});
}

static void add_to_positions(const query_tile *tile, float *scores, cg_rows rows, size_t dims, cg_mutable_rows sums) {
  add_part(tile, tile->first, tile->lo, tile->middle, scores, rows, dims, sums);
  add_part(tile, tile->middle, tile->middle, tile->end, scores, rows, dims, sums);
}

/// Of the rows [first, end), which meet positions before `end` only.
static void write_query_gradients(const query_tile *tile, size_t first, size_t end) {
  const cg_attention *const call = tile->call;
  if (tile->entries > 0) {
    multiply(tile, (cg_product){.rows = end - first,
                                .columns = call->key_dims,
                                .depth = tile->entries,
                                .a = scores_of(tile, tile->gradients, first),
                                .a_row_stride = tile->stride,
                                .a_column_stride = 1,
                                .b = call->entry.start,
                                .b_row_stride = call->entry.stride,
                                .b_column_stride = 1,
                                .c = mutable_row_of(call->dquery, first),
                                .c_stride = call->dquery.stride});
  }
  multiply(tile, (cg_product){.rows = end - first,
                              .columns = call->key_dims,
                              .depth = end - tile->lo,
                              .a = score_of(tile, tile->gradients, first, tile->lo),
                              .a_row_stride = tile->stride,
                              .a_column_stride = 1,
                              .b = row_of(call->key, tile->lo),
                              .b_row_stride = call->key.stride,
                              .b_column_stride = 1,
                              .c = mutable_row_of(call->dquery, first),
                              .c_stride = call->dquery.stride,
                              .add = tile->entries > 0});
}

/// The first position that row t attends.
static size_t begin_of(const cg_attention *call, size_t t) {
  return call->window > 0 && t + 1 > call->window ? t + 1 - call->window : 0;
}

/// How many entries row t attends.
static size_t entries_of(const cg_attention *call, size_t t) {
  if (call->ratio == 0) return 0;
  const size_t whole = (t + 1) / call->ratio;
  return whole < call->entries ? whole : call->entries;
}

/// Turns the tile's scores into p, and the gradients by p into those by scores; both are zero at entries, and at
/// positions before the half tile's end, that a row does not attend.
static void soften_rows(const query_tile *tile, float *dsink) {
  const cg_attention *const call = tile->call;
  for (size_t t = tile->first; t < tile->end; ++t) {
    const size_t seen = entries_of(call, t), begin = tile->entries + begin_of(call, t) - tile->lo;
    const size_t end = tile->entries + t + 1 - tile->lo, from = tile->entries > 0 ? 0 : begin;
    const size_t after = (t < tile->middle ? tile->middle : tile->end) - (t + 1);
    float *const p = scores_of(tile, tile->p, t), *const gradients = scores_of(tile, tile->gradients, t);
    for (size_t j = from + seen; j < begin; ++j) p[j] = -INFINITY;
    const float of_sink = tile->kernels->soften(p + from, end - from, call->scale, call->sink);
    const float mean = call->means.start
                           ? *row_of(call->means, t)
                           : tile->kernels->dot(row_of(call->dout, t), row_of(call->out, t), call->value_dims);
    tile->kernels->score_gradients(p + from, gradients + from, end - from, mean, call->scale);
    if (call->sink) *dsink = fmaf(-of_sink, mean, *dsink);
    memset(p + seen, 0, (begin - seen) * sizeof(float));
    memset(gradients + seen, 0, (begin - seen) * sizeof(float));
    memset(p + end, 0, after * sizeof(float));
    memset(gradients + end, 0, after * sizeof(float));
  }
}

static void clear(cg_mutable_rows rows, size_t count, size_t dims) {
  for (size_t t = 0; t < count; ++t) memset(mutable_row_of(rows, t), 0, dims * sizeof(float));
}

void cg_attend(ck_isa isa, const cg_attention *call, float *scratch) {
  float *const scores = scratch + cg_product_scratch();
  query_tile tile = {.kernels = cg_kernels_of[isa],
                     .call = call,
                     .scratch = scratch,
                     .stride = score_stride(call->tokens + call->entries)};
  tile.p = scores;
  tile.gradients = scores + TILE * tile.stride;
  clear(call->dkey, call->tokens, call->key_dims);
  clear(call->dvalue, call->tokens, call->value_dims);
  clear(call->dentry, call->entries, call->key_dims);
  float dsink = 0;
  for (size_t first = 0; first < call->tokens; first += TILE) {
    tile.first = first;
    tile.end = call->tokens - first < TILE ? call->tokens : first + TILE;
    tile.middle = tile.end - first < TILE / 2 ? tile.end : first + TILE / 2;
    tile.lo = begin_of(call, first);
    tile.entries = entries_of(call, tile.end - 1);
    score(&tile, call->query, call->key, call->key_dims, tile.p);
    score(&tile, call->dout, call->value, call->value_dims, tile.gradients);
    soften_rows(&tile, &dsink);
    write_query_gradients(&tile, tile.first, tile.middle);
    write_query_gradients(&tile, tile.middle, tile.end);
    add_to_entries(&tile, tile.gradients, call->query, call->key_dims);
    add_to_entries(&tile, tile.p, call->dout, call->value_dims);
    add_to_positions(&tile, tile.gradients, call->query, call->key_dims, call->dkey);
    add_to_positions(&tile, tile.p, call->dout, call->value_dims, call->dvalue);
  }
  if (call->sink) *call->dsink = dsink;
}
