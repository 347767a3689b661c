// The gradient of causal softmax attention (attention.h) for one sequence, one query head and one key head.
#ifndef C_GRADIENTS_ATTENTION_GRADIENT_H
#define C_GRADIENTS_ATTENTION_GRADIENT_H
#include <CKernels.h>

/// Query rows that are taken together, aligned to the sequence's start.
#define CG_QUERY_TILE 64

/// Numbers in rows, `stride` floats apart.
typedef struct {
  const float *start;
  size_t stride;
} cg_rows;
typedef struct {
  float *start;
  size_t stride;
} cg_mutable_rows;

/// Row t attends positions [t + 1 - window, t], from 0 on; a window of 0 is none. `sink`, if not NULL, points to one
/// logit that takes probability and has no value. The gradients are written, nothing is added to what was there, and
/// overlap nothing else, but dvalue may be dkey where values are the first value_dims of the keys: then both sums are
/// in it.
typedef struct {
  size_t tokens, key_dims, value_dims, window;
  float scale;
  const float *sink;
  cg_rows query, key;            // [tokens, key_dims]
  cg_rows value, out, dout;      // [tokens, value_dims]; out as the forward pass left it
  cg_mutable_rows dquery, dkey;  // [tokens, key_dims]
  cg_mutable_rows dvalue;        // [tokens, value_dims]
  float *dsink;                  // one; NULL without sink
  size_t entries, ratio;         // 0, both, where there are no entries
  cg_rows entry;                 // [entries, key_dims]
  cg_mutable_rows dentry;        // [entries, key_dims]
  cg_rows means;                 // [tokens, 1]; from NULL where D is made here
} cg_attention;

/// Floats of scratch for a sequence of so many tokens and entries together, one thread's at a time, aligned to 64
/// bytes.
size_t cg_attention_scratch(size_t tokens);

/// Besides, row t attends the first (t + 1) / ratio of `entries`, or all that there are: each is a key whose first
/// value_dims are its value, and dentry gets the sum of both gradients.
///
/// Order, tile by tile of CG_QUERY_TILE query rows, with the positions [lo, hi) that any row of the tile attends:
/// s = product.h's sum of q k, * scale; m = the greatest s of the row, or the sink; e = ck_exp(s - m); d = lane sum of
/// e over the row's positions, + ck_exp(sink - m); p = e * (1 / d); D = cg_dot(dout, out), or the row's of `means`;
/// ds = (p * (product.h's sum of dout v - D)) * scale; p and ds are +0 at positions that the row does not attend, and
/// rows of a tile's first half leave out those of its second.
/// Products in product.h's order: dquery = sum over [lo, hi) of ds k; dkey += sum over the tile's rows of ds q;
/// then dvalue += sum over the tile's rows of p dout, both from +0. dsink: a chain of fma(-p of the sink, D, sum) over
/// all rows from +0. What is not finite in keys or values may make every gradient of the sequence NaN.
///
/// Where any row of the tile attends entries, d is the lane sum over all that one does, and then over [lo, t], e, p and
/// ds being +0 for those of them that row t does not attend; dquery is the sum over these entries, + that over
/// [lo, hi); and before dkey, dentry += sum over the tile's rows of ds q, then of p dout, from +0.
void cg_attend(ck_isa isa, const cg_attention *attention, float *scratch);
#endif
