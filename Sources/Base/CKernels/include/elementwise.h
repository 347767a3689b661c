// Row-wise and element-wise kernels on fp32. Same bits on every instruction set.
//
// "Lane sum" of v[0..n): lane l adds v[l], v[l+16], v[l+32], … in that order starting from +0 (a missing
// tail element adds nothing); then the sixteen lanes are halved: lane l += lane l+8, then +4, +2, +1.
#ifndef C_KERNELS_ELEMENTWISE_H
#define C_KERNELS_ELEMENTWISE_H
#include "isa.h"

/// e^x in fp32: a fixed polynomial after range reduction, at most 2 ulp from the true value;
/// 0 below about -103.97, +inf above about 88.73, NaN stays NaN, e^0 == 1 exactly.
/// Subnormal results are rounded once, not flushed. exp.h has the algorithm; vector kernels use the same one.
float ck_exp(float x);
/// 1 / (1 + e^-x), by ck_exp.
float ck_sigmoid(float x);

/// out[row, j] = (x[row, j] * r) * weight[j], r = 1 / sqrt(laneSumOfSquares / n + epsilon); the squares' lane
/// sum uses fused multiply-adds. out may be x.
void ck_rms_norm(ck_isa isa, const float *x, size_t x_stride, size_t rows, size_t n, const float *weight, float epsilon,
                 float *out, size_t out_stride);

/// One row: out[j] = fma((x[j] - mean) * r, weight[j], bias[j]), mean = lane sum / n, r = 1 / sqrt(lane sum of squares
/// of x - mean / n + epsilon), the squares with fused multiply-adds. out may be x.
void ck_layer_norm(ck_isa isa, const float *x, size_t n, const float *weight, const float *bias, float epsilon,
                   float *out);

/// Rotates `heads` vectors of `dims` elements, one after another (stride head_stride), by angles given as
/// cosine/sine [dims/2]. Halves layout: pairs (j, j + dims/2). Interleaved layout: pairs (2j, 2j+1).
/// a' = a*cos - b*sin computed as fma(a, cos, -(b*sin)); b' = fma(b, cos, a*sin).
void ck_rope(ck_isa isa, float *x, size_t heads, size_t head_stride, size_t dims, const float *cosine,
             const float *sine, bool interleaved);

/// out[i] = (gate[i] * sigmoid(gate[i])) * up[i]. out may be gate or up.
void ck_silu_multiply(ck_isa isa, const float *gate, const float *up, float *out, size_t count);

/// out[i] = x[i] * sigmoid(gate[i]). out may be gate or x.
void ck_sigmoid_multiply(ck_isa isa, const float *gate, const float *x, float *out, size_t count);

/// gpt-oss: g = min(gate, limit), u = clamp(up, -limit, limit); out = (u + 1) * (g * sigmoid(alpha * g)).
/// out may be gate or up.
void ck_clamped_swiglu(ck_isa isa, const float *gate, const float *up, float *out, size_t count, float alpha,
                       float limit);

/// DeepSeek-V4: g = min(gate, limit), u = clamp(up, -limit, limit); out = (g * sigmoid(g)) * u. out may be gate or up.
void ck_limited_swiglu(ck_isa isa, const float *gate, const float *up, float *out, size_t count, float limit);

/// Means of values weighed by the softmax of their gates, in each of n dimensions apart, one term after another: `sums`
/// holds the greatest gate so far, the denominator and the numerator, [3, n].
///
/// A term: g = gate + bias. The first one replaces what there was: greatest g, denominator 1, numerator the value.
/// Another: m' = max(m, g); c = ck_exp(m - m'), e = ck_exp(g - m'); denominator = fma(denominator, c, e); numerator =
/// fma(numerator, c, e * value).
void ck_pool(ck_isa isa, const float *value, const float *gate, const float *bias, size_t n, bool first, float *sums);
/// out[i] = numerator / denominator.
void ck_pooled(ck_isa isa, const float *sums, size_t n, float *out);

/// out[i] += x[i]
void ck_add(ck_isa isa, float *out, const float *x, size_t count);
/// out[i] = a[i] + b[i]; out may be a or b.
void ck_sum(ck_isa isa, const float *a, const float *b, float *out, size_t count);
/// out[i] = x[i] * factor; out may be x.
void ck_scale(ck_isa isa, const float *x, float factor, float *out, size_t count);
/// out[i] += x[i] * factor: product rounded, then added (no fused multiply-add).
void ck_add_scaled(ck_isa isa, float *out, const float *x, float factor, size_t count);
/// x[i] = min(max(x[i], -limit), limit); NaN stays NaN.
void ck_clip(ck_isa isa, float *x, float limit, size_t count);
/// Largest element; -inf for count == 0; NaN if any element is NaN; +0 if the largest is a zero of either sign.
float ck_max(ck_isa isa, const float *x, size_t count);
/// Lane sum of e^(x[i] - shift).
float ck_sum_exp(ck_isa isa, const float *x, size_t count, float shift);
/// out[i] = e^x[i], by ck_exp. out may be x.
void ck_exponentials(ck_isa isa, const float *x, float *out, size_t count);
#endif
