// Kernels of gated DeltaNet (Yang, Kautz and Hatamizadeh, 2024, arXiv 2412.06464), on fp32. Same bits on every
// instruction set, and for every cut of a sequence into runs of tokens: tokens are taken one after another.
//
// A head's state S has a row for each of `key_dims` key dimensions and a column for each of `value_dims` value
// dimensions. It lies in panels of sixteen columns: [panels][key_dims][16], columns past the last one unused.
#ifndef C_KERNELS_DELTA_H
#define C_KERNELS_DELTA_H
#include "isa.h"

/// Columns of one panel of a state.
#define CK_DELTA_PANEL 16

/// A run of a sequence's tokens as one head sees them; strides count floats, from token to token.
typedef struct {
  const float *query, *key;  // [tokens, key_dims]
  const float *value;        // [tokens, value_dims]
  const float *decay;        // [tokens]: e^g, what is left of the state
  const float *beta;         // [tokens]: how much of a value's difference is written
  float *out;                // [tokens, value_dims]
  size_t key_stride;         // of query and key
  size_t value_stride;
  size_t gate_stride;  // of decay and beta
  size_t out_stride;
} ck_delta_tokens;

/// ln(1 + e^x), the same bits on every machine: max(x, 0) + 2 artanh(y / (2 + y)), y = ck_exp(-|x|), in fp64 and
/// rounded once. NaN stays NaN.
float ck_softplus(float x);

/// out[c] = silu(sum over taps j of rows[j][c] * weights[j * weight_stride + c]), j ascending, by fused multiply-adds
/// from +0: a causal convolution of each channel for one token; rows[taps - 1] is the token's own.
void ck_causal_convolution(ck_isa isa, const float *const *rows, size_t taps, const float *weights,
                           size_t weight_stride, size_t channels, float *out);

/// For each of `rows` vectors: out[i] = (x[i] * r) * factor, r = 1 / sqrt(lane sum of squares + epsilon), the lane sum
/// as in elementwise.h, by fused multiply-adds. out may be x.
void ck_l2_norm(ck_isa isa, const float *x, size_t x_stride, size_t rows, size_t n, float epsilon, float factor,
                float *out, size_t out_stride);

/// For each of `rows` vectors: out[i] = ((x[i] * r) * weight[i]) * (gate[i] * sigmoid(gate[i])), r as in ck_rms_norm.
/// out may be x.
void ck_gated_rms_norm(ck_isa isa, const float *x, size_t x_stride, const float *gate, size_t gate_stride, size_t rows,
                       size_t n, const float *weight, float epsilon, float *out, size_t out_stride);

/// The gated delta rule over `count` tokens, for panels [first_panel, first_panel + panel_count) of one head's state.
/// For each token and column, with s the column and i a key dimension:
///   s[i] := s[i] * decay;  d = (value - sum(s[i] * key[i])) * beta;  s[i] := fma(key[i], d, s[i]);
///   out = sum(s[i] * query[i])
/// A sum has four chains of fused multiply-adds from +0: chain c takes i = c, c + 4, c + 8, …; they are added as
/// (c0 + c2) + (c1 + c3).
void ck_delta_rule(ck_isa isa, float *state, size_t key_dims, size_t value_dims, size_t first_panel, size_t panel_count,
                   const ck_delta_tokens *tokens, size_t count);
#endif
