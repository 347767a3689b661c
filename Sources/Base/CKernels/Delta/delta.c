// The portable reference of the kernels of gated DeltaNet, and the choice of an instruction set.
#include "delta.h"
#include "../Vectors/exp.h"
#include "../kernels.h"
#pragma STDC FP_CONTRACT OFF

float ck_softplus(float x) {
  if (x != x) return x;
  const double y = ck_exp_scalar(x < 0.0f ? x : -x);
  const double s = y / (2.0 + y), square = s * s;
  // artanh(s) / s = sum of s^2k / (2k + 1); s is at most 1/3, so that what is left out is below 1e-13.
  double sum = 0.0;
  for (int k = 13; k >= 0; --k) sum = sum * square + 1.0 / (2 * k + 1);
  return (float)((x > 0.0f ? x : 0.0) + 2.0 * s * sum);
}

static float halved(float lanes[16]) {
  for (int width = 8; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

static float squares(const float *x, size_t n) {
  float lanes[16] = {0};
  for (size_t i = 0; i < n; ++i) lanes[i % 16] = fmaf(x[i], x[i], lanes[i % 16]);
  return halved(lanes);
}

static void convolution(const float *const *rows, size_t taps, const float *weights, size_t weight_stride,
                        size_t channels, float *out) {
  for (size_t c = 0; c < channels; ++c) {
    float sum = 0.0f;
    for (size_t j = 0; j < taps; ++j) sum = fmaf(rows[j][c], weights[j * weight_stride + c], sum);
    out[c] = sum * ck_sigmoid_scalar(sum);
  }
}

static void l2_norm(const float *x, size_t x_stride, size_t rows, size_t n, float epsilon, float factor, float *out,
                    size_t out_stride) {
  for (size_t row = 0; row < rows; ++row, x += x_stride, out += out_stride) {
    const float r = 1.0f / sqrtf(squares(x, n) + epsilon);
    for (size_t i = 0; i < n; ++i) out[i] = x[i] * r * factor;
  }
}

static void gated_norm(const float *x, size_t x_stride, const float *gate, size_t gate_stride, size_t rows, size_t n,
                       const float *weight, float epsilon, float *out, size_t out_stride) {
  for (size_t row = 0; row < rows; ++row, x += x_stride, gate += gate_stride, out += out_stride) {
    const float r = 1.0f / sqrtf(squares(x, n) / (float)n + epsilon);
    for (size_t i = 0; i < n; ++i) {
      const float opened = gate[i] * ck_sigmoid_scalar(gate[i]);
      out[i] = x[i] * r * weight[i] * opened;
    }
  }
}

static float chained(const float chains[4]) { return (chains[0] + chains[2]) + (chains[1] + chains[3]); }

/// One token of one column of a panel.
static float step(float *column, size_t key_dims, const float *key, const float *query, float value, float decay,
                  float beta) {
  float chains[4] = {0};
  for (size_t i = 0; i < key_dims; ++i) {
    const float s = column[i * CK_DELTA_PANEL] * decay;
    chains[i % 4] = fmaf(s, key[i], chains[i % 4]);
  }
  const float difference = (value - chained(chains)) * beta;
  float sums[4] = {0};
  for (size_t i = 0; i < key_dims; ++i) {
    const float s = fmaf(key[i], difference, column[i * CK_DELTA_PANEL] * decay);
    column[i * CK_DELTA_PANEL] = s;
    sums[i % 4] = fmaf(s, query[i], sums[i % 4]);
  }
  return chained(sums);
}

static void rule(float *state, size_t key_dims, size_t value_dims, size_t first_panel, size_t panel_count,
                 const ck_delta_tokens *tokens, size_t count) {
  for (size_t panel = first_panel; panel < first_panel + panel_count; ++panel) {
    const size_t first = panel * CK_DELTA_PANEL;
    const size_t columns = value_dims - first < CK_DELTA_PANEL ? value_dims - first : CK_DELTA_PANEL;
    for (size_t t = 0; t < count; ++t) {
      for (size_t c = 0; c < columns; ++c) {
        tokens->out[t * tokens->out_stride + first + c] =
            step(state + first * key_dims + c, key_dims, tokens->key + t * tokens->key_stride,
                 tokens->query + t * tokens->key_stride, tokens->value[t * tokens->value_stride + first + c],
                 tokens->decay[t * tokens->gate_stride], tokens->beta[t * tokens->gate_stride]);
      }
    }
  }
}

const ck_delta_kernels ck_reference_delta = {convolution, l2_norm, gated_norm, rule};

static const ck_delta_kernels *kernels(ck_isa isa) { return ck_kernels_of[isa]->delta; }

void ck_causal_convolution(ck_isa isa, const float *const *rows, size_t taps, const float *weights,
                           size_t weight_stride, size_t channels, float *out) {
  kernels(isa)->convolution(rows, taps, weights, weight_stride, channels, out);
}

void ck_l2_norm(ck_isa isa, const float *x, size_t x_stride, size_t rows, size_t n, float epsilon, float factor,
                float *out, size_t out_stride) {
  kernels(isa)->l2_norm(x, x_stride, rows, n, epsilon, factor, out, out_stride);
}

void ck_gated_rms_norm(ck_isa isa, const float *x, size_t x_stride, const float *gate, size_t gate_stride, size_t rows,
                       size_t n, const float *weight, float epsilon, float *out, size_t out_stride) {
  kernels(isa)->gated_norm(x, x_stride, gate, gate_stride, rows, n, weight, epsilon, out, out_stride);
}

void ck_delta_rule(ck_isa isa, float *state, size_t key_dims, size_t value_dims, size_t first_panel, size_t panel_count,
                   const ck_delta_tokens *tokens, size_t count) {
  kernels(isa)->rule(state, key_dims, value_dims, first_panel, panel_count, tokens, count);
}
