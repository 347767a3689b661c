// The portable reference of the element-wise kernels, and the choice of an instruction set.
#include "elementwise.h"
#include "../kernels.h"
#include "../Vectors/exp.h"
#pragma STDC FP_CONTRACT OFF

float ck_exp(float x) { return ck_exp_scalar(x); }
float ck_sigmoid(float x) { return ck_sigmoid_scalar(x); }

static float larger(float a, float b) { return a > b ? a : b; }
static float smaller(float a, float b) { return a < b ? a : b; }

static float halved(float lanes[16]) {
  for (int width = 8; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

static void rms_norm(const float *x, size_t x_stride, size_t rows, size_t n, const float *weight, float epsilon,
                     float *out, size_t out_stride) {
  for (size_t row = 0; row < rows; ++row, x += x_stride, out += out_stride) {
    float lanes[16] = {0};
    for (size_t i = 0; i < n; ++i) lanes[i % 16] = fmaf(x[i], x[i], lanes[i % 16]);
    const float r = 1.0f / sqrtf(halved(lanes) / (float)n + epsilon);
    for (size_t i = 0; i < n; ++i) out[i] = x[i] * r * weight[i];
  }
}

static void layer_norm(const float *x, size_t n, const float *weight, const float *bias, float epsilon, float *out) {
  float lanes[16] = {0};
  for (size_t i = 0; i < n; ++i) lanes[i % 16] += x[i];
  const float mean = halved(lanes) / (float)n;
  float squares[16] = {0};
  for (size_t i = 0; i < n; ++i) squares[i % 16] = fmaf(x[i] - mean, x[i] - mean, squares[i % 16]);
  const float r = 1.0f / sqrtf(halved(squares) / (float)n + epsilon);
  for (size_t i = 0; i < n; ++i) out[i] = fmaf((x[i] - mean) * r, weight[i], bias[i]);
}

static void rotate(float *a, float *b, float cosine, float sine) {
  const float x = *a, y = *b;
  *a = fmaf(x, cosine, -(y * sine));
  *b = fmaf(y, cosine, x * sine);
}

static void rope_halves(float *x, size_t dims, const float *cosine, const float *sine) {
  for (size_t i = 0; i < dims / 2; ++i) rotate(x + i, x + dims / 2 + i, cosine[i], sine[i]);
}

static void rope_interleaved(float *x, size_t dims, const float *cosine, const float *sine) {
  for (size_t i = 0; i < dims / 2; ++i) rotate(x + 2 * i, x + 2 * i + 1, cosine[i], sine[i]);
}

static void silu_multiply(const float *gate, const float *up, float *out, size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = gate[i] * ck_sigmoid_scalar(gate[i]) * up[i];
}

static void sigmoid_multiply(const float *gate, const float *x, float *out, size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = x[i] * ck_sigmoid_scalar(gate[i]);
}

static void clamped_swiglu(const float *gate, const float *up, float *out, size_t count, float alpha, float limit) {
  for (size_t i = 0; i < count; ++i) {
    const float g = smaller(limit, gate[i]);
    const float u = smaller(limit, larger(-limit, up[i]));
    out[i] = (u + 1.0f) * (g * ck_sigmoid_scalar(alpha * g));
  }
}

static void limited_swiglu(const float *gate, const float *up, float *out, size_t count, float limit) {
  for (size_t i = 0; i < count; ++i) {
    const float g = smaller(limit, gate[i]);
    const float u = smaller(limit, larger(-limit, up[i]));
    out[i] = g * ck_sigmoid_scalar(g) * u;
  }
}

static void pool(const float *value, const float *gate, const float *bias, size_t n, bool first, float *sums) {
  float *const greatest = sums, *const denominator = sums + n, *const numerator = sums + 2 * n;
  for (size_t i = 0; i < n; ++i) {
    const float g = gate[i] + bias[i];
    if (first) {
      greatest[i] = g;
      denominator[i] = 1.0f;
      numerator[i] = value[i];
      continue;
    }
    const float m = larger(greatest[i], g);
    const float correction = ck_exp_scalar(greatest[i] - m), e = ck_exp_scalar(g - m);
    const float term = e * value[i];
    denominator[i] = fmaf(denominator[i], correction, e);
    numerator[i] = fmaf(numerator[i], correction, term);
    greatest[i] = m;
  }
}

static void pooled(const float *sums, size_t n, float *out) {
  for (size_t i = 0; i < n; ++i) out[i] = sums[2 * n + i] / sums[n + i];
}

static void sum(const float *a, const float *b, float *out, size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = a[i] + b[i];
}

static void scale(const float *x, float factor, float *out, size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = x[i] * factor;
}

static void add_scaled(float *out, const float *x, float factor, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const float product = x[i] * factor;
    out[i] += product;
  }
}

static void clip(float *x, float limit, size_t count) {
  for (size_t i = 0; i < count; ++i) x[i] = smaller(limit, larger(-limit, x[i]));
}

static float max(const float *x, size_t count) {
  float result = -INFINITY;
  for (size_t i = 0; i < count; ++i) {
    if (x[i] != x[i]) return NAN;
    result = larger(x[i], result);
  }
  return result + 0.0f;  // -0 becomes +0: which of two zeros came first must not matter
}

static float sum_exp(const float *x, size_t count, float shift) {
  float lanes[16] = {0};
  for (size_t i = 0; i < count; ++i) lanes[i % 16] += ck_exp_scalar(x[i] - shift);
  return halved(lanes);
}

static void exponentials(const float *x, float *out, size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = ck_exp_scalar(x[i]);
}

const ck_elementwise_kernels ck_reference_elementwise = {
    rms_norm,       layer_norm,     rope_halves, rope_interleaved, silu_multiply, sigmoid_multiply,
    clamped_swiglu, limited_swiglu, pool,        pooled,           sum,           scale,
    add_scaled,     clip,           max,         sum_exp,          exponentials,
};

static const ck_elementwise_kernels *kernels(ck_isa isa) { return ck_kernels_of[isa]->elementwise; }

void ck_rms_norm(ck_isa isa, const float *x, size_t x_stride, size_t rows, size_t n, const float *weight, float epsilon,
                 float *out, size_t out_stride) {
  kernels(isa)->rms_norm(x, x_stride, rows, n, weight, epsilon, out, out_stride);
}

void ck_layer_norm(ck_isa isa, const float *x, size_t n, const float *weight, const float *bias, float epsilon,
                   float *out) {
  kernels(isa)->layer_norm(x, n, weight, bias, epsilon, out);
}

void ck_rope(ck_isa isa, float *x, size_t heads, size_t head_stride, size_t dims, const float *cosine,
             const float *sine, bool interleaved) {
  const ck_elementwise_kernels *const chosen = kernels(isa);
  for (size_t head = 0; head < heads; ++head) {
    (interleaved ? chosen->rope_interleaved : chosen->rope_halves)(x + head * head_stride, dims, cosine, sine);
  }
}

void ck_silu_multiply(ck_isa isa, const float *gate, const float *up, float *out, size_t count) {
  kernels(isa)->silu_multiply(gate, up, out, count);
}

void ck_sigmoid_multiply(ck_isa isa, const float *gate, const float *x, float *out, size_t count) {
  kernels(isa)->sigmoid_multiply(gate, x, out, count);
}

void ck_clamped_swiglu(ck_isa isa, const float *gate, const float *up, float *out, size_t count, float alpha,
                       float limit) {
  kernels(isa)->clamped_swiglu(gate, up, out, count, alpha, limit);
}

void ck_limited_swiglu(ck_isa isa, const float *gate, const float *up, float *out, size_t count, float limit) {
  kernels(isa)->limited_swiglu(gate, up, out, count, limit);
}

void ck_pool(ck_isa isa, const float *value, const float *gate, const float *bias, size_t n, bool first, float *sums) {
  kernels(isa)->pool(value, gate, bias, n, first, sums);
}

void ck_pooled(ck_isa isa, const float *sums, size_t n, float *out) { kernels(isa)->pooled(sums, n, out); }

void ck_add(ck_isa isa, float *out, const float *x, size_t count) { kernels(isa)->sum(out, x, out, count); }

void ck_sum(ck_isa isa, const float *a, const float *b, float *out, size_t count) {
  kernels(isa)->sum(a, b, out, count);
}

void ck_scale(ck_isa isa, const float *x, float factor, float *out, size_t count) {
  kernels(isa)->scale(x, factor, out, count);
}

void ck_add_scaled(ck_isa isa, float *out, const float *x, float factor, size_t count) {
  kernels(isa)->add_scaled(out, x, factor, count);
}

void ck_clip(ck_isa isa, float *x, float limit, size_t count) { kernels(isa)->clip(x, limit, count); }
float ck_max(ck_isa isa, const float *x, size_t count) { return kernels(isa)->max(x, count); }

float ck_sum_exp(ck_isa isa, const float *x, size_t count, float shift) {
  return kernels(isa)->sum_exp(x, count, shift);
}

void ck_exponentials(ck_isa isa, const float *x, float *out, size_t count) {
  kernels(isa)->exponentials(x, out, count);
}
