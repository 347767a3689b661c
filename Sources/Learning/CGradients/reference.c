// The portable reference of the kernels: their specification in plain C.
#include <math.h>
#include <string.h>

#include "../../Base/CKernels/Vectors/flushed.h"
#include "kernels.h"
#pragma STDC FP_CONTRACT OFF

static float rounded(float value) {
  const uint32_t bits = cg_bf16_rounded(value);
  float result;
  memcpy(&result, &bits, sizeof result);
  return result;
}

/// The sum of a block of p from `first` to `end`, in bf16: of each pair the second comes first.
static float pairs(const cg_product *call, const float *a, const float *b, size_t first, size_t end) {
  float sum = 0;
  for (size_t pair = first; pair < end; pair += 2) {
    for (size_t turn = 2; turn-- > 0;) {
      const size_t p = pair + turn;
      const bool is = p < end;
      const float x = is ? rounded(a[p * call->a_column_stride]) : 0, y = is ? rounded(b[p * call->b_row_stride]) : 0;
      sum = flushed_fma(x, y, sum);
    }
  }
  return sum;
}

static void product_in_bf16(const cg_product *call) {
  for (size_t i = 0; i < call->rows; ++i) {
    for (size_t j = 0; j < call->columns; ++j) {
      const float *const a = call->a + i * call->a_row_stride, *const b = call->b + j * call->b_column_stride;
      float total = 0;
      for (size_t p0 = 0; p0 < call->depth; p0 += CG_DEPTH_BLOCK) {
        const size_t end = p0 + CG_DEPTH_BLOCK < call->depth ? p0 + CG_DEPTH_BLOCK : call->depth;
        const float sum = pairs(call, a, b, p0, end);
        total = p0 == 0 ? sum : flushed(total + sum);
      }
      float *const c = call->c + i * call->c_stride + j;
      *c = call->add ? *c + total : total;
    }
  }
}

static void product(const cg_product *call, float *scratch) {
  (void)scratch;
  if (call->bf16) return product_in_bf16(call);
  for (size_t i = 0; i < call->rows; ++i) {
    for (size_t j = 0; j < call->columns; ++j) {
      const float *const a = call->a + i * call->a_row_stride, *const b = call->b + j * call->b_column_stride;
      float total = 0;
      for (size_t p0 = 0; p0 < call->depth; p0 += CG_DEPTH_BLOCK) {
        float sum = 0;
        for (size_t p = p0; p < call->depth && p < p0 + CG_DEPTH_BLOCK; ++p) {
          sum = fmaf(a[p * call->a_column_stride], b[p * call->b_row_stride], sum);
        }
        total = p0 == 0 ? sum : total + sum;
      }
      float *const c = call->c + i * call->c_stride + j;
      *c = call->add ? *c + total : total;
    }
  }
}

static float halved(float lanes[16]) {
  for (int width = 8; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

static float dot(const float *a, const float *b, size_t count) {
  float lanes[16] = {0};
  for (size_t i = 0; i < count; ++i) lanes[i % 16] = fmaf(a[i], b[i], lanes[i % 16]);
  return halved(lanes);
}

static void rms_norm(const float *x, size_t x_stride, const float *dy, size_t dy_stride, size_t rows, size_t n,
                     const float *weight, float epsilon, float *dx, size_t dx_stride, float *scales) {
  for (size_t row = 0; row < rows; ++row, x += x_stride, dy += dy_stride, dx += dx_stride) {
    const float r = 1.0f / sqrtf(dot(x, x, n) / (float)n + epsilon);
    float lanes[16] = {0};
    for (size_t i = 0; i < n; ++i) lanes[i % 16] = fmaf(weight[i] * dy[i], x[i], lanes[i % 16]);
    const float c = halved(lanes) / (float)n * r * r;
    for (size_t i = 0; i < n; ++i) dx[i] = fmaf(-x[i], c, weight[i] * dy[i]) * r;
    scales[row] = r;
  }
}

static void rms_norm_weight(cg_vectors x, cg_vectors dy, size_t rows, size_t vectors, size_t n, const float *scales,
                            float *dweight, bool add) {
  for (size_t i = 0; i < n; ++i) {
    float total = 0, sum = 0;
    for (size_t at = 0; at < rows * vectors; ++at) {
      const size_t row = at / vectors, vector = at % vectors;
      const float normed = x.start[row * x.row_stride + vector * x.vector_stride + i] * scales[at];
      sum = fmaf(normed, dy.start[row * dy.row_stride + vector * dy.vector_stride + i], sum);
      if (at + 1 < rows * vectors && (at + 1) % CG_DEPTH_BLOCK != 0) continue;
      total = at < CG_DEPTH_BLOCK ? sum : total + sum;
      sum = 0;
    }
    dweight[i] = add ? dweight[i] + total : total;
  }
}

static void sigmoid(const float *x, size_t count, float *out) {
  for (size_t i = 0; i < count; ++i) out[i] = ck_sigmoid(x[i]);
}

static void silu_multiply(const float *gate, const float *up, const float *dout, float *dgate, float *dup,
                          size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const float g = gate[i], u = up[i], d = dout[i], s = ck_sigmoid(g);
    dgate[i] = d * u * s * fmaf(g, 1 - s, 1);
    dup[i] = d * (g * s);
  }
}

static float clamped(float x, float low, float high) {
  x = low > x ? low : x;
  return high < x ? high : x;
}

static void clamped_swiglu(const float *gate, const float *up, const float *dout, float *dgate, float *dup,
                           size_t count, float alpha, float limit) {
  for (size_t i = 0; i < count; ++i) {
    const float g = clamped(gate[i], -INFINITY, limit), u = clamped(up[i], -limit, limit), d = dout[i];
    const float s = ck_sigmoid(alpha * g);
    const float of_gate = d * (u + 1) * s * fmaf(alpha * g, 1 - s, 1), of_up = d * (g * s);
    const bool gate_is_clamped = gate[i] > limit, up_is_clamped = fabsf(up[i]) > limit;
    dgate[i] = gate_is_clamped ? 0 : of_gate;
    dup[i] = up_is_clamped ? 0 : of_up;
  }
}

static void limited_swiglu(const float *gate, const float *up, const float *dout, float *dgate, float *dup,
                           size_t count, float limit) {
  for (size_t i = 0; i < count; ++i) {
    const float g = clamped(gate[i], -INFINITY, limit), u = clamped(up[i], -limit, limit), d = dout[i];
    const float s = ck_sigmoid(g);
    const float of_gate = d * u * s * fmaf(g, 1 - s, 1), of_up = d * (g * s);
    const bool gate_is_clamped = gate[i] > limit, up_is_clamped = fabsf(up[i]) > limit;
    dgate[i] = gate_is_clamped ? 0 : of_gate;
    dup[i] = up_is_clamped ? 0 : of_up;
  }
}

static void pool(const float *value, const float *gate, const float *bias, size_t n, const float *sums,
                 const float *mean, const float *dmean, float *dvalue, float *dgate) {
  const float *const greatest = sums, *const denominator = sums + n;
  for (size_t i = 0; i < n; ++i) {
    const float share = ck_exp(gate[i] + bias[i] - greatest[i]) / denominator[i];
    dvalue[i] = share * dmean[i];
    dgate[i] = dvalue[i] * (value[i] - mean[i]);
  }
}

static void clip(const float *x, float limit, float *dx, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (fabsf(x[i]) > limit) dx[i] = 0;
  }
}

static void scaled_exp(float *x, size_t count, float shift, float factor) {
  for (size_t i = 0; i < count; ++i) x[i] = ck_exp(x[i] - shift) * factor;
}

static float exp_sum(float *x, size_t count, float shift) {
  float lanes[16] = {0};
  for (size_t i = 0; i < count; ++i) {
    x[i] = ck_exp(x[i] - shift);
    lanes[i % 16] += x[i];
  }
  return halved(lanes);
}

static float soften(float *scores, size_t count, float scale, const float *sink) {
  float greatest = sink ? *sink : -INFINITY;
  for (size_t i = 0; i < count; ++i) {
    scores[i] *= scale;
    greatest = scores[i] > greatest ? scores[i] : greatest;
  }
  const float sum = exp_sum(scores, count, greatest);
  const float of_sink = sink ? ck_exp(*sink - greatest) : 0, share = 1 / (sum + of_sink);
  for (size_t i = 0; i < count; ++i) scores[i] *= share;
  return of_sink * share;
}

static void score_gradients(const float *p, float *gradients, size_t count, float mean, float scale) {
  for (size_t i = 0; i < count; ++i) gradients[i] = p[i] * (gradients[i] - mean) * scale;
}

const cg_kernels cg_reference = {
    product, dot,    rms_norm,        rms_norm_weight, silu_multiply,           clamped_swiglu, clip, scaled_exp,
    exp_sum, soften, score_gradients, sigmoid,         cg_delta_step_reference, limited_swiglu, pool};
