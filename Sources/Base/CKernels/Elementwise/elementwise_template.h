// The element-wise kernels in the names of a native_*.h.
#include "elementwise_kernels.h"
#include "../Vectors/exp_vector.h"
#pragma STDC FP_CONTRACT OFF

#define PARTS (16 / LANES)

/// Elements of a vector starting at i of count.
INLINE size_t lanes_at(size_t i, size_t count) { return count - i < LANES ? count - i : LANES; }

static void rms_norm(const float *x, size_t x_stride, size_t rows, size_t n, const float *weight, float epsilon,
                     float *out, size_t out_stride) {
  for (size_t row = 0; row < rows; ++row, x += x_stride, out += out_stride) {
    vf lanes[PARTS];
    for (int part = 0; part < PARTS; ++part) lanes[part] = v_set(0.0f);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
      for (int part = 0; part < PARTS; ++part) {
        const vf v = v_load(x + i + part * LANES);
        lanes[part] = v_fma(v, v, lanes[part]);
      }
    }
    for (int part = 0; i < n; i += LANES, ++part) {
      const vf v = v_load_first(x + i, lanes_at(i, n));
      lanes[part] = v_fma(v, v, lanes[part]);
    }
    const float r = 1.0f / __builtin_sqrtf(v4_sum(v_fold(lanes)) / (float)n + epsilon);
    for (i = 0; i < n; i += LANES) {
      const size_t count = lanes_at(i, n);
      const vf scaled = v_multiply(v_load_first(x + i, count), v_set(r));
      v_store_first(out + i, v_multiply(scaled, v_load_first(weight + i, count)), count);
    }
  }
}

static void layer_norm(const float *x, size_t n, const float *weight, const float *bias, float epsilon, float *out) {
  vf lanes[PARTS], squares[PARTS];
  for (int part = 0; part < PARTS; ++part) lanes[part] = squares[part] = v_set(0.0f);
  for (size_t i = 0; i < n; i += LANES) {
    vf *const lane = lanes + i / LANES % PARTS;
    *lane = v_add(*lane, v_load_first(x + i, lanes_at(i, n)));
  }
  const vf mean = v_set(v4_sum(v_fold(lanes)) / (float)n);
  for (size_t i = 0; i < n; i += LANES) {
    vf *const lane = squares + i / LANES % PARTS;
    const vf v = v_keep_first(v_subtract(v_load_first(x + i, lanes_at(i, n)), mean), lanes_at(i, n));
    *lane = v_fma(v, v, *lane);
  }
  const vf r = v_set(1.0f / __builtin_sqrtf(v4_sum(v_fold(squares)) / (float)n + epsilon));
  for (size_t i = 0; i < n; i += LANES) {
    const size_t count = lanes_at(i, n);
    const vf scaled = v_multiply(v_subtract(v_load_first(x + i, count), mean), r);
    v_store_first(out + i, v_fma(scaled, v_load_first(weight + i, count), v_load_first(bias + i, count)), count);
  }
}

static void rope_halves(float *x, size_t dims, const float *cosine, const float *sine) {
  const size_t half = dims / 2;
  for (size_t i = 0; i < half; i += LANES) {
    const size_t count = lanes_at(i, half);
    const vf a = v_load_first(x + i, count), b = v_load_first(x + half + i, count);
    const vf c = v_load_first(cosine + i, count), s = v_load_first(sine + i, count);
    v_store_first(x + i, v_fma(a, c, v_negate(v_multiply(b, s))), count);
    v_store_first(x + half + i, v_fma(b, c, v_multiply(a, s)), count);
  }
}

/// (a, b) * (c, c) + (b, a) * (-s, s): each pair stays where it is.
INLINE vf rotated_pairs(vf x, vf cosines, vf sines) {
  return v_fma(x, cosines, v_negate_even(v_multiply(v_swap_pairs(x), sines)));
}

static void rope_interleaved(float *x, size_t dims, const float *cosine, const float *sine) {
  const size_t half = dims / 2;
  for (size_t i = 0; i < half; i += LANES) {
    const size_t count = lanes_at(i, half);
    const size_t low = 2 * count < LANES ? 2 * count : LANES, high = 2 * count - low;
    const vf c = v_load_first(cosine + i, count), s = v_load_first(sine + i, count);
    float *const pairs = x + 2 * i;
    v_store_first(pairs, rotated_pairs(v_load_first(pairs, low), v_double_low(c), v_double_low(s)), low);
    if (high == 0) continue;
    v_store_first(pairs + LANES, rotated_pairs(v_load_first(pairs + LANES, high), v_double_high(c), v_double_high(s)),
                  high);
  }
}

static void silu_multiply(const float *gate, const float *up, float *out, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    const size_t n = lanes_at(i, count);
    const vf g = v_load_first(gate + i, n);
    v_store_first(out + i, v_multiply(v_multiply(g, v_sigmoid(g)), v_load_first(up + i, n)), n);
  }
}

static void sigmoid_multiply(const float *gate, const float *x, float *out, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    const size_t n = lanes_at(i, count);
    v_store_first(out + i, v_multiply(v_load_first(x + i, n), v_sigmoid(v_load_first(gate + i, n))), n);
  }
}

static void clamped_swiglu(const float *gate, const float *up, float *out, size_t count, float alpha, float limit) {
  for (size_t i = 0; i < count; i += LANES) {
    const size_t n = lanes_at(i, count);
    const vf g = v_min(v_set(limit), v_load_first(gate + i, n));
    const vf u = v_min(v_set(limit), v_max(v_set(-limit), v_load_first(up + i, n)));
    const vf activated = v_multiply(g, v_sigmoid(v_multiply(v_set(alpha), g)));
    v_store_first(out + i, v_multiply(v_add(u, v_set(1.0f)), activated), n);
  }
}

static void limited_swiglu(const float *gate, const float *up, float *out, size_t count, float limit) {
  for (size_t i = 0; i < count; i += LANES) {
    const size_t n = lanes_at(i, count);
    const vf g = v_min(v_set(limit), v_load_first(gate + i, n));
    const vf u = v_min(v_set(limit), v_max(v_set(-limit), v_load_first(up + i, n)));
    v_store_first(out + i, v_multiply(v_multiply(g, v_sigmoid(g)), u), n);
  }
}

static void pool(const float *value, const float *gate, const float *bias, size_t n, bool first, float *sums) {
  float *const greatest = sums, *const denominator = sums + n, *const numerator = sums + 2 * n;
  for (size_t i = 0; i < n; i += LANES) {
    const size_t count = lanes_at(i, n);
    const vf v = v_load_first(value + i, count);
    const vf g = v_add(v_load_first(gate + i, count), v_load_first(bias + i, count));
    if (first) {
      v_store_first(greatest + i, g, count);
      v_store_first(denominator + i, v_set(1.0f), count);
      v_store_first(numerator + i, v, count);
      continue;
    }
    const vf old = v_load_first(greatest + i, count);
    const vf m = v_max(old, g);
    const vf correction = v_exp(v_subtract(old, m)), e = v_exp(v_subtract(g, m));
    v_store_first(greatest + i, m, count);
    v_store_first(denominator + i, v_fma(v_load_first(denominator + i, count), correction, e), count);
    v_store_first(numerator + i, v_fma(v_load_first(numerator + i, count), correction, v_multiply(e, v)), count);
  }
}

static void pooled(const float *sums, size_t n, float *out) {
  for (size_t i = 0; i < n; i += LANES) {
    const size_t count = lanes_at(i, n);
    v_store_first(out + i, v_divide(v_load_first(sums + 2 * n + i, count), v_load_first(sums + n + i, count)), count);
  }
}

static void sum(const float *a, const float *b, float *out, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    const size_t n = lanes_at(i, count);
    v_store_first(out + i, v_add(v_load_first(a + i, n), v_load_first(b + i, n)), n);
  }
}

static void scale(const float *x, float factor, float *out, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    const size_t n = lanes_at(i, count);
    v_store_first(out + i, v_multiply(v_load_first(x + i, n), v_set(factor)), n);
  }
}

static void add_scaled(float *out, const float *x, float factor, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    const size_t n = lanes_at(i, count);
    v_store_first(out + i, v_add(v_load_first(out + i, n), v_multiply(v_load_first(x + i, n), v_set(factor))), n);
  }
}

static void clip(float *x, float limit, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    const size_t n = lanes_at(i, count);
    v_store_first(x + i, v_min(v_set(limit), v_max(v_set(-limit), v_load_first(x + i, n))), n);
  }
}

static float max(const float *x, size_t count) {
  // Four chains hide the latency; the largest element does not depend on the order.
  vf largest[4], nan = v_set(0.0f);
  for (int chain = 0; chain < 4; ++chain) largest[chain] = v_set(-INFINITY);
  size_t i = 0;
  for (; i + 4 * LANES <= count; i += 4 * LANES) {
    for (int chain = 0; chain < 4; ++chain) {
      const vf v = v_load(x + i + (size_t)chain * LANES);
      largest[chain] = v_max(v, largest[chain]);
      nan = v_take_nan(nan, v);
    }
  }
  float lanes[LANES], nans[LANES];
  v_store(lanes, v_max(v_max(largest[0], largest[1]), v_max(largest[2], largest[3])));
  v_store(nans, nan);
  float result = -INFINITY;
  for (int lane = 0; lane < LANES; ++lane) {
    if (nans[lane] != nans[lane]) return NAN;
    if (lanes[lane] > result) result = lanes[lane];
  }
  for (; i < count; ++i) {
    if (x[i] != x[i]) return NAN;
    if (x[i] > result) result = x[i];
  }
  return result + 0.0f;
}

static float sum_exp(const float *x, size_t count, float shift) {
  vf lanes[PARTS];
  for (int part = 0; part < PARTS; ++part) lanes[part] = v_set(0.0f);
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (int part = 0; part < PARTS; ++part) {
      const vf v = v_load(x + i + part * LANES);
      lanes[part] = v_add(lanes[part], v_exp(v_subtract(v, v_set(shift))));
    }
  }
  for (int part = 0; i < count; i += LANES, ++part) {
    const size_t n = lanes_at(i, count);
    const vf v = v_load_first(x + i, n);
    lanes[part] = v_add(lanes[part], v_keep_first(v_exp(v_subtract(v, v_set(shift))), n));
  }
  return v4_sum(v_fold(lanes));
}

static void exponentials(const float *x, float *out, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    const size_t n = lanes_at(i, count);
    v_store_first(out + i, v_exp(v_load_first(x + i, n)), n);
  }
}

const ck_elementwise_kernels NATIVE(elementwise) = {
    rms_norm,       layer_norm,     rope_halves, rope_interleaved, silu_multiply, sigmoid_multiply,
    clamped_swiglu, limited_swiglu, pool,        pooled,           sum,           scale,
    add_scaled,     clip,           max,         sum_exp,          exponentials,
};
