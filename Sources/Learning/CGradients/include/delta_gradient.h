// The gradient of the gated delta rule (delta.h) for one sequence and one value head.
#ifndef C_GRADIENTS_DELTA_GRADIENT_H
#define C_GRADIENTS_DELTA_GRADIENT_H
#include <CKernels.h>

#include "attention_gradient.h"

/// Tokens between two states that are kept on the way forward; those between are made again.
#define CG_DELTA_BLOCK 32

/// A sequence from its first token, whose state before is zero. `dvalue` is written; of the others the head's part is
/// written, or added where `add` (dquery and dkey) says that value heads with the same key head came before. Query and
/// key have one stride, and so have decay and beta. Nothing overlaps what is written.
typedef struct {
  size_t tokens, key_dims, value_dims;
  cg_rows query, key;             // [tokens, key_dims], as they met the state
  cg_rows value, dout;            // [tokens, value_dims]
  cg_rows decay, beta;            // [tokens, 1]
  cg_mutable_rows dquery, dkey;   // [tokens, key_dims]
  cg_mutable_rows dvalue;         // [tokens, value_dims]
  cg_mutable_rows ddecay, dbeta;  // [tokens, 1]
  bool add;
} cg_delta;

/// Floats of scratch for such a sequence, one thread's at a time, aligned to 64 bytes.
size_t cg_delta_scratch(size_t tokens, size_t key_dims);

/// Order: panel by panel of CK_DELTA_PANEL value dimensions, ascending, each from its last token to its first. States
/// are ck_delta_rule's, S before and N after the token; G, the gradient by N without what the token's own output asks
/// for, is +0 after the last token. For key dimension i and column c, columns past the last being +0:
///   s = S[i][c] * decay; g = fma(query[i], dout[c], G[i][c]);
///   u[c] = value[c] - sum over i of s * key[i]; w[c] = sum over i of g * key[i]: four chains each, as in delta.h;
///   d[c] = u[c] * beta; e[c] = w[c] * beta; dvalue[c] = e[c]; h = fma(-key[i], e[c], g); G[i][c] := h * decay
/// and of each panel, over its sixteen columns halved as a lane sum is:
///   dquery[i]: N[i][c] * dout[c]; dkey[i]: fma(-s, e[c], g * d[c]); dbeta: w[c] * u[c];
///   ddecay: chains of fma(S[i][c], h, sum) over ascending i from +0.
/// The panels' numbers are added one after another, after those of value heads before (`add`). What is not finite may
/// make every gradient of the head NaN.
void cg_delta_rule(ck_isa isa, const cg_delta *call, float *scratch);
#endif
