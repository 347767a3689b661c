// The kernels of gated DeltaNet in the names of a native_*.h.
#include "delta_kernels.h"
#include "../Vectors/exp_vector.h"
#pragma STDC FP_CONTRACT OFF

#define PARTS (16 / LANES)
#define CHAINS 4
// Which of four chains takes a key dimension, and each part of a panel: loops of known length, unrolled.
#define EACH_PART _Pragma("clang loop unroll(full)") for (int part = 0; part < PARTS; ++part)
#define EACH_CHAIN _Pragma("clang loop unroll(full)") for (int chain = 0; chain < CHAINS; ++chain)

/// Elements of a vector starting at i of count.
INLINE size_t lanes_at(size_t i, size_t count) { return count - i < LANES ? count - i : LANES; }

INLINE float squares(const float *x, size_t n) {
  vf lanes[PARTS];
  EACH_PART lanes[part] = v_set(0.0f);
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    EACH_PART {
      const vf v = v_load(x + i + part * LANES);
      lanes[part] = v_fma(v, v, lanes[part]);
    }
  }
  for (int part = 0; i < n; i += LANES, ++part) {
    const vf v = v_load_first(x + i, lanes_at(i, n));
    lanes[part] = v_fma(v, v, lanes[part]);
  }
  return v4_sum(v_fold(lanes));
}

static void convolution(const float *const *rows, size_t taps, const float *weights, size_t weight_stride,
                        size_t channels, float *out) {
  for (size_t c = 0; c < channels; c += LANES) {
    const size_t n = lanes_at(c, channels);
    vf sum = v_set(0.0f);
    for (size_t j = 0; j < taps; ++j) {
      sum = v_fma(v_load_first(rows[j] + c, n), v_load_first(weights + j * weight_stride + c, n), sum);
    }
    v_store_first(out + c, v_multiply(sum, v_sigmoid(sum)), n);
  }
}

static void l2_norm(const float *x, size_t x_stride, size_t rows, size_t n, float epsilon, float factor, float *out,
                    size_t out_stride) {
  for (size_t row = 0; row < rows; ++row, x += x_stride, out += out_stride) {
    const float r = 1.0f / __builtin_sqrtf(squares(x, n) + epsilon);
    for (size_t i = 0; i < n; i += LANES) {
      const size_t count = lanes_at(i, n);
      v_store_first(out + i, v_multiply(v_multiply(v_load_first(x + i, count), v_set(r)), v_set(factor)), count);
    }
  }
}

static void gated_norm(const float *x, size_t x_stride, const float *gate, size_t gate_stride, size_t rows, size_t n,
                       const float *weight, float epsilon, float *out, size_t out_stride) {
  for (size_t row = 0; row < rows; ++row, x += x_stride, gate += gate_stride, out += out_stride) {
    const float r = 1.0f / __builtin_sqrtf(squares(x, n) / (float)n + epsilon);
    for (size_t i = 0; i < n; i += LANES) {
      const size_t count = lanes_at(i, n);
      const vf g = v_load_first(gate + i, count);
      const vf scaled = v_multiply(v_load_first(x + i, count), v_set(r));
      const vf weighted = v_multiply(scaled, v_load_first(weight + i, count));
      v_store_first(out + i, v_multiply(weighted, v_multiply(g, v_sigmoid(g))), count);
    }
  }
}

typedef struct {
  vf parts[PARTS];
} panel_row;

/// Products with one row of a panel that are still apart.
typedef struct {
  panel_row chains[CHAINS];
} panel_sums;

INLINE void clear(panel_sums *sums) { EACH_CHAIN EACH_PART sums->chains[chain].parts[part] = v_set(0.0f); }

INLINE panel_row total(const panel_sums *sums) {
  panel_row row;
  EACH_PART {
    row.parts[part] = v_add(v_add(sums->chains[0].parts[part], sums->chains[2].parts[part]),
                            v_add(sums->chains[1].parts[part], sums->chains[3].parts[part]));
  }
  return row;
}

/// Adds a decayed row of the state times its key dimension.
INLINE void recall(panel_row *sum, const float *s, vf decay, float key) {
  EACH_PART sum->parts[part] = v_fma(v_multiply(v_load(s + part * LANES), decay), v_set(key), sum->parts[part]);
}

/// Renews a row of the state, and adds it times its query dimension.
INLINE void renew(panel_row *sum, float *s, vf decay, float key, const panel_row *difference, float query) {
  EACH_PART {
    const vf decayed = v_multiply(v_load(s + part * LANES), decay);
    const vf renewed = v_fma(v_set(key), difference->parts[part], decayed);
    v_store(s + part * LANES, renewed);
    sum->parts[part] = v_fma(renewed, v_set(query), sum->parts[part]);
  }
}

/// How many of a panel's columns, of which there are `columns`, lie in a part.
INLINE size_t part_columns(int part, size_t columns) {
  const size_t first = (size_t)part * LANES;
  return columns <= first ? 0 : columns - first < LANES ? columns - first : LANES;
}

/// One token of a panel.
INLINE void step(float *panel, size_t key_dims, size_t columns, const float *key, const float *query,
                 const float *value, float decay, float beta, float *out) {
  const vf left = v_set(decay);
  panel_sums sums;
  clear(&sums);
  size_t i = 0;
  for (; i + CHAINS <= key_dims; i += CHAINS) {
    EACH_CHAIN recall(&sums.chains[chain], panel + (i + chain) * CK_DELTA_PANEL, left, key[i + chain]);
  }
  for (int chain = 0; i < key_dims; ++i, ++chain) {
    recall(&sums.chains[chain], panel + i * CK_DELTA_PANEL, left, key[i]);
  }
  panel_row difference = total(&sums);
  EACH_PART {
    const size_t n = part_columns(part, columns);
    const vf wanted = n == 0 ? v_set(0.0f) : v_load_first(value + part * LANES, n);
    difference.parts[part] = v_multiply(v_subtract(wanted, difference.parts[part]), v_set(beta));
  }
  clear(&sums);
  for (i = 0; i + CHAINS <= key_dims; i += CHAINS) {
    EACH_CHAIN renew(&sums.chains[chain], panel + (i + chain) * CK_DELTA_PANEL, left, key[i + chain], &difference,
                     query[i + chain]);
  }
  for (int chain = 0; i < key_dims; ++i, ++chain) {
    renew(&sums.chains[chain], panel + i * CK_DELTA_PANEL, left, key[i], &difference, query[i]);
  }
  const panel_row result = total(&sums);
  EACH_PART {
    const size_t n = part_columns(part, columns);
    if (n > 0) v_store_first(out + part * LANES, result.parts[part], n);
  }
}

static void rule(float *state, size_t key_dims, size_t value_dims, size_t first_panel, size_t panel_count,
                 const ck_delta_tokens *tokens, size_t count) {
  for (size_t p = first_panel; p < first_panel + panel_count; ++p) {
    const size_t first = p * CK_DELTA_PANEL;
    const size_t columns = value_dims - first < CK_DELTA_PANEL ? value_dims - first : CK_DELTA_PANEL;
    // A panel stays in the first-level cache while all tokens go by.
    for (size_t t = 0; t < count; ++t) {
      step(state + first * key_dims, key_dims, columns, tokens->key + t * tokens->key_stride,
           tokens->query + t * tokens->key_stride, tokens->value + t * tokens->value_stride + first,
           tokens->decay[t * tokens->gate_stride], tokens->beta[t * tokens->gate_stride],
           tokens->out + t * tokens->out_stride + first);
    }
  }
}

const ck_delta_kernels NATIVE(delta) = {convolution, l2_norm, gated_norm, rule};
