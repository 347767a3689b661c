// Gradients of row-wise and element-wise operations of fp32 numbers (elementwise.h). dy is the loss's gradient by the
// operation's output, dx by its input.
#ifndef C_GRADIENTS_ROW_GRADIENTS_H
#define C_GRADIENTS_ROW_GRADIENTS_H
#include <CKernels.h>

/// Lane sum of a[i] * b[i], by fused multiply-adds.
float cg_dot(ck_isa isa, const float *a, const float *b, size_t count);

/// Of ck_rms_norm by x: with r as there and u = weight * dy, dx = fma(-x, c, u) * r, c = lane sum of u * x (fused
/// multiply-adds) / n * r * r. scales[row] = r. dx may be dy.
void cg_rms_norm(ck_isa isa, const float *x, size_t x_stride, const float *dy, size_t dy_stride, size_t rows, size_t n,
                 const float *weight, float epsilon, float *dx, size_t dx_stride, float *scales);

/// Vectors of n floats in rows: vector v of row t at start + t * row_stride + v * vector_stride, v in [0, vectors).
typedef struct {
  const float *start;
  size_t row_stride, vector_stride;
} cg_vectors;

/// Of ck_rms_norm by its weight: sum over the vectors, row by row, of (x * r) * dy, r = scales[t * vectors + v]: blocks
/// of CG_DEPTH_BLOCK vectors, a block's sum one chain of fma(x * r, dy, sum) from +0, totals and `add` as in product.h.
void cg_rms_norm_weight(ck_isa isa, cg_vectors x, cg_vectors dy, size_t rows, size_t vectors, size_t n,
                        const float *scales, float *dweight, bool add);

/// out[i] = ck_sigmoid(x[i]); out may be x.
void cg_sigmoid(ck_isa isa, const float *x, size_t count, float *out);

/// Of ck_silu_multiply: with s = sigmoid(gate), dup = dout * (gate * s), dgate = ((dout * up) * s) *
/// fma(gate, 1 - s, 1). dgate may be gate, dup may be up, and either may be dout.
void cg_silu_multiply(ck_isa isa, const float *gate, const float *up, const float *dout, float *dgate, float *dup,
                      size_t count);

/// Of ck_clamped_swiglu: with g, u as there and s = sigmoid(alpha * g), dup = dout * (g * s), +0 where |up| > limit;
/// dgate = ((dout * (u + 1)) * s) * fma(alpha * g, 1 - s, 1), +0 where gate > limit. Aliases as above.
void cg_clamped_swiglu(ck_isa isa, const float *gate, const float *up, const float *dout, float *dgate, float *dup,
                       size_t count, float alpha, float limit);

/// Of ck_limited_swiglu: with g, u as there and s = sigmoid(g), dup = dout * (g * s), +0 where |up| > limit; dgate =
/// ((dout * u) * s) * fma(g, 1 - s, 1), +0 where gate > limit. Aliases as above.
void cg_limited_swiglu(ck_isa isa, const float *gate, const float *up, const float *dout, float *dgate, float *dup,
                       size_t count, float limit);

/// Of ck_pool and ck_pooled by one of their terms: `sums` as they are after the last one, `mean` what ck_pooled makes
/// of them, `dmean` the gradient by that. p = ck_exp((gate + bias) - greatest) / denominator, dvalue = p * dmean,
/// dgate = dvalue * (value - mean), by the gate and its bias alike. Nothing overlaps what is written.
void cg_pool(ck_isa isa, const float *value, const float *gate, const float *bias, size_t n, const float *sums,
             const float *mean, const float *dmean, float *dvalue, float *dgate);

/// Of ck_clip, by what it was given: dx[i] = +0 where |x[i]| > limit, else as it is.
void cg_clip(ck_isa isa, const float *x, float limit, float *dx, size_t count);

/// What is known of a row of logits: its greatest, the lane sum of e^(logit - greatest), and the target's.
typedef struct {
  float greatest, sum, target;
} cg_logits;

/// Turns a row of n logits into the gradient of factor * -log softmax(target) + z_factor * L^2, L = log sum of e^logit:
/// greatest = ck_max, sum = ck_sum_exp, as where tokens are sampled; logits[j] = ck_exp(logits[j] - greatest) * q, then
/// logits[target] -= factor; q = (factor + 2 * z_factor * L) / sum, or factor / sum if z_factor is 0;
/// L = greatest + (float)cg_log(sum). target < n. A NaN or infinity in the row makes all of it NaN, but for -inf beside
/// finite logits.
cg_logits cg_cross_entropy(ck_isa isa, float *logits, size_t n, size_t target, float factor, float z_factor);

/// The natural logarithm of a positive number, the same bits everywhere (no libm): within 2 ulp; -inf of 0, NaN below.
double cg_log(double x);
#endif
