// The row kernels in the names of a native_*.h of CKernels.
#define PARTS (16 / LANES)

/// Elements of a vector starting at i of count.
INLINE size_t lanes_at(size_t i, size_t count) { return count - i < LANES ? count - i : LANES; }

static float dot(const float *a, const float *b, size_t count) {
  vf lanes[PARTS];
  for (int part = 0; part < PARTS; ++part) lanes[part] = v_set(0.0f);
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (int part = 0; part < PARTS; ++part) {
      lanes[part] = v_fma(v_load(a + i + part * LANES), v_load(b + i + part * LANES), lanes[part]);
    }
  }
  for (int part = 0; i < count; i += LANES, ++part) {
    const size_t n = lanes_at(i, count);
    lanes[part] = v_fma(v_load_first(a + i, n), v_load_first(b + i, n), lanes[part]);
  }
  return v4_sum(v_fold(lanes));
}

/// Lane sum of (w * dy) * x.
INLINE float weighted_dot(const float *w, const float *dy, const float *x, size_t count) {
  vf lanes[PARTS];
  for (int part = 0; part < PARTS; ++part) lanes[part] = v_set(0.0f);
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (int part = 0; part < PARTS; ++part) {
      const vf u = v_multiply(v_load(w + i + part * LANES), v_load(dy + i + part * LANES));
      lanes[part] = v_fma(u, v_load(x + i + part * LANES), lanes[part]);
    }
  }
  for (int part = 0; i < count; i += LANES, ++part) {
    const size_t n = lanes_at(i, count);
    const vf u = v_multiply(v_load_first(w + i, n), v_load_first(dy + i, n));
    lanes[part] = v_fma(u, v_load_first(x + i, n), lanes[part]);
  }
  return v4_sum(v_fold(lanes));
}

static void rms_norm(const float *x, size_t x_stride, const float *dy, size_t dy_stride, size_t rows, size_t n,
                     const float *weight, float epsilon, float *dx, size_t dx_stride, float *scales) {
  for (size_t row = 0; row < rows; ++row, x += x_stride, dy += dy_stride, dx += dx_stride) {
    const float r = 1.0f / __builtin_sqrtf(dot(x, x, n) / (float)n + epsilon);
    const float c = weighted_dot(weight, dy, x, n) / (float)n * r * r;
    for (size_t i = 0; i < n; i += LANES) {
      const size_t count = lanes_at(i, n);
      const vf u = v_multiply(v_load_first(weight + i, count), v_load_first(dy + i, count));
      const vf apart = v_fnma(v_load_first(x + i, count), v_set(c), u);
      v_store_first(dx + i, v_multiply(apart, v_set(r)), count);
    }
    scales[row] = r;
  }
}

/// The weight's gradient for `parts` vectors of its elements from i on, the last of them `last` lanes.
INLINE void norm_weight_columns(const int parts, cg_vectors x, cg_vectors dy, size_t rows, size_t vectors, size_t i,
                                size_t last, const float *scales, float *dweight, bool add) {
  vf totals[4], sums[4];
  for (int part = 0; part < parts; ++part) totals[part] = sums[part] = v_set(0.0f);
  size_t at = 0;
  bool first = true;
  for (size_t row = 0; row < rows; ++row) {
    const float *from = x.start + row * x.row_stride + i, *gradient = dy.start + row * dy.row_stride + i;
    for (size_t v = 0; v < vectors; ++v, from += x.vector_stride, gradient += dy.vector_stride) {
      const vf r = v_set(scales[at++]);
      for (int part = 0; part < parts; ++part) {
        const size_t n = part + 1 < parts ? LANES : last;
        const vf normed = v_multiply(v_load_first(from + part * LANES, n), r);
        sums[part] = v_fma(normed, v_load_first(gradient + part * LANES, n), sums[part]);
      }
      if (at % CG_DEPTH_BLOCK != 0 && at < rows * vectors) continue;
      for (int part = 0; part < parts; ++part) {
        totals[part] = first ? sums[part] : v_add(totals[part], sums[part]);
        sums[part] = v_set(0.0f);
      }
      first = false;
    }
  }
  for (int part = 0; part < parts; ++part) {
    const size_t n = part + 1 < parts ? LANES : last;
    float *const out = dweight + i + part * LANES;
    v_store_first(out, add ? v_add(v_load_first(out, n), totals[part]) : totals[part], n);
  }
}

static void rms_norm_weight(cg_vectors x, cg_vectors dy, size_t rows, size_t vectors, size_t n, const float *scales,
                            float *dweight, bool add) {
  size_t i = 0;
  for (; i + 4 * LANES <= n; i += 4 * LANES) {
    norm_weight_columns(4, x, dy, rows, vectors, i, LANES, scales, dweight, add);
  }
  for (; i < n; i += LANES) norm_weight_columns(1, x, dy, rows, vectors, i, lanes_at(i, n), scales, dweight, add);
}

static void sigmoid(const float *x, size_t count, float *out) {
  for (size_t i = 0; i < count; i += LANES) {
    const size_t n = lanes_at(i, count);
    v_store_first(out + i, v_sigmoid(v_load_first(x + i, n)), n);
  }
}

static void silu_multiply(const float *gate, const float *up, const float *dout, float *dgate, float *dup,
                          size_t count) {
  const vf one = v_set(1.0f);
  for (size_t i = 0; i < count; i += LANES) {
    const size_t n = lanes_at(i, count);
    const vf g = v_load_first(gate + i, n), u = v_load_first(up + i, n), d = v_load_first(dout + i, n);
    const vf s = v_sigmoid(g);
    const vf slope = v_fma(g, v_subtract(one, s), one);
    v_store_first(dgate + i, v_multiply(v_multiply(v_multiply(d, u), s), slope), n);
    v_store_first(dup + i, v_multiply(d, v_multiply(g, s)), n);
  }
}

static void clamped_swiglu(const float *gate, const float *up, const float *dout, float *dgate, float *dup,
                           size_t count, float alpha, float limit) {
  const vf one = v_set(1.0f), zero = v_set(0.0f), highest = v_set(limit), lowest = v_set(-limit);
  for (size_t i = 0; i < count; i += LANES) {
    const size_t n = lanes_at(i, count);
    const vf whole_gate = v_load_first(gate + i, n), whole_up = v_load_first(up + i, n), d = v_load_first(dout + i, n);
    const vf g = v_min(highest, whole_gate), u = v_min(highest, v_max(lowest, whole_up));
    const vf inner = v_multiply(v_set(alpha), g), s = v_sigmoid(inner);
    const vf slope = v_fma(inner, v_subtract(one, s), one);
    const vf of_gate = v_multiply(v_multiply(v_multiply(d, v_add(u, one)), s), slope);
    const vf of_up = v_multiply(d, v_multiply(g, s));
    v_store_first(dgate + i, v_where_greater(whole_gate, highest, zero, of_gate), n);
    const vf below = v_where_greater(lowest, whole_up, zero, of_up);
    v_store_first(dup + i, v_where_greater(whole_up, highest, zero, below), n);
  }
}

static void limited_swiglu(const float *gate, const float *up, const float *dout, float *dgate, float *dup,
                           size_t count, float limit) {
  const vf one = v_set(1.0f), zero = v_set(0.0f), highest = v_set(limit), lowest = v_set(-limit);
  for (size_t i = 0; i < count; i += LANES) {
    const size_t n = lanes_at(i, count);
    const vf whole_gate = v_load_first(gate + i, n), whole_up = v_load_first(up + i, n), d = v_load_first(dout + i, n);
    const vf g = v_min(highest, whole_gate), u = v_min(highest, v_max(lowest, whole_up));
    const vf s = v_sigmoid(g);
    const vf slope = v_fma(g, v_subtract(one, s), one);
    const vf of_gate = v_multiply(v_multiply(v_multiply(d, u), s), slope);
    const vf of_up = v_multiply(d, v_multiply(g, s));
    v_store_first(dgate + i, v_where_greater(whole_gate, highest, zero, of_gate), n);
    const vf below = v_where_greater(lowest, whole_up, zero, of_up);
    v_store_first(dup + i, v_where_greater(whole_up, highest, zero, below), n);
  }
}

static void pool(const float *value, const float *gate, const float *bias, size_t n, const float *sums,
                 const float *mean, const float *dmean, float *dvalue, float *dgate) {
  const float *const greatest = sums, *const denominator = sums + n;
  for (size_t i = 0; i < n; i += LANES) {
    const size_t count = lanes_at(i, n);
    const vf g = v_add(v_load_first(gate + i, count), v_load_first(bias + i, count));
    const vf e = v_exp(v_subtract(g, v_load_first(greatest + i, count)));
    const vf by_value = v_multiply(v_divide(e, v_load_first(denominator + i, count)), v_load_first(dmean + i, count));
    const vf apart = v_subtract(v_load_first(value + i, count), v_load_first(mean + i, count));
    v_store_first(dvalue + i, by_value, count);
    v_store_first(dgate + i, v_multiply(by_value, apart), count);
  }
}

static void clip(const float *x, float limit, float *dx, size_t count) {
  const vf zero = v_set(0.0f), highest = v_set(limit), lowest = v_set(-limit);
  for (size_t i = 0; i < count; i += LANES) {
    const size_t n = lanes_at(i, count);
    const vf v = v_load_first(x + i, n);
    const vf below = v_where_greater(lowest, v, zero, v_load_first(dx + i, n));
    v_store_first(dx + i, v_where_greater(v, highest, zero, below), n);
  }
}

static void scaled_exp(float *x, size_t count, float shift, float factor) {
  for (size_t i = 0; i < count; i += LANES) {
    const size_t n = lanes_at(i, count);
    const vf e = v_exp(v_subtract(v_load_first(x + i, n), v_set(shift)));
    v_store_first(x + i, v_multiply(e, v_set(factor)), n);
  }
}

static float exp_sum(float *x, size_t count, float shift) {
  vf lanes[PARTS];
  for (int part = 0; part < PARTS; ++part) lanes[part] = v_set(0.0f);
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (int part = 0; part < PARTS; ++part) {
      float *const at = x + i + part * LANES;
      const vf e = v_exp(v_subtract(v_load(at), v_set(shift)));
      v_store(at, e);
      lanes[part] = v_add(lanes[part], e);
    }
  }
  for (int part = 0; i < count; i += LANES, ++part) {
    const size_t n = lanes_at(i, count);
    const vf e = v_exp(v_subtract(v_load_first(x + i, n), v_set(shift)));
    v_store_first(x + i, e, n);
    lanes[part] = v_add(lanes[part], v_keep_first(e, n));
  }
  return v4_sum(v_fold(lanes));
}

static float soften(float *scores, size_t count, float scale, const float *sink) {
  float greatest = sink ? *sink : -INFINITY;
  vf greatest_lanes = v_set(greatest);
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    const vf s = v_multiply(v_load(scores + i), v_set(scale));
    v_store(scores + i, s);
    greatest_lanes = v_max(s, greatest_lanes);
  }
  const float of_lanes = v_largest(greatest_lanes);
  greatest = of_lanes > greatest ? of_lanes : greatest;
  for (; i < count; ++i) {
    scores[i] *= scale;
    greatest = scores[i] > greatest ? scores[i] : greatest;
  }
  const float sum = exp_sum(scores, count, greatest);
  const float of_sink = sink ? ck_exp(*sink - greatest) : 0, share = 1 / (sum + of_sink);
  for (i = 0; i < count; i += LANES) {
    const size_t n = lanes_at(i, count);
    v_store_first(scores + i, v_multiply(v_load_first(scores + i, n), v_set(share)), n);
  }
  return of_sink * share;
}

static void score_gradients(const float *p, float *gradients, size_t count, float mean, float scale) {
  for (size_t i = 0; i < count; i += LANES) {
    const size_t n = lanes_at(i, count);
    const vf apart = v_subtract(v_load_first(gradients + i, n), v_set(mean));
    v_store_first(gradients + i, v_multiply(v_multiply(v_load_first(p + i, n), apart), v_set(scale)), n);
  }
}
