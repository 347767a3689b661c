// A step back of the gated delta rule in the names of a native_*.h of CKernels.
#define DELTA_CHAINS 4
#define EACH_PART _Pragma("clang loop unroll(full)") for (int part = 0; part < PARTS; ++part)
#define EACH_CHAIN _Pragma("clang loop unroll(full)") for (int chain = 0; chain < DELTA_CHAINS; ++chain)

typedef struct {
  vf parts[PARTS];
} panel_row;

INLINE panel_row panel_zero(void) {
  panel_row row;
  EACH_PART row.parts[part] = v_set(0.0f);
  return row;
}

/// The panel's columns of a row of values, zeros past the last one.
INLINE panel_row panel_columns(const float *values, size_t columns) {
  panel_row row = panel_zero();
  EACH_PART {
    const size_t first = (size_t)part * LANES;
    if (columns > first) row.parts[part] = v_load_first(values + first, lanes_at(first, columns));
  }
  return row;
}

INLINE float panel_sum(panel_row row) { return v4_sum(v_fold(row.parts)); }

INLINE panel_row panel_chained(const panel_row chains[DELTA_CHAINS]) {
  panel_row row;
  EACH_PART {
    row.parts[part] =
        v_add(v_add(chains[0].parts[part], chains[2].parts[part]), v_add(chains[1].parts[part], chains[3].parts[part]));
  }
  return row;
}

/// A row of the state and its gradient: what was recalled of it, what is asked of it, and both met by the key.
INLINE void delta_meet(const cg_delta_step *call, size_t i, const panel_row *dout, panel_row *recalled,
                       panel_row *asked) {
  const vf decay = v_set(call->decay), key = v_set(call->key[i]), query = v_set(call->query[i]);
  float *const gradient = call->gradient + i * CK_DELTA_PANEL;
  const float *const before = call->before + i * CK_DELTA_PANEL, *const after = call->after + i * CK_DELTA_PANEL;
  panel_row product;
  EACH_PART {
    const vf s = v_multiply(v_load(before + part * LANES), decay);
    const vf g = v_fma(query, dout->parts[part], v_load(gradient + part * LANES));
    v_store(gradient + part * LANES, g);
    recalled->parts[part] = v_fma(s, key, recalled->parts[part]);
    asked->parts[part] = v_fma(g, key, asked->parts[part]);
    product.parts[part] = v_multiply(v_load(after + part * LANES), dout->parts[part]);
  }
  const float sum = panel_sum(product);
  call->dquery[i] = call->add_keys ? call->dquery[i] + sum : sum;
}

static void delta_step(const cg_delta_step *call) {
  const panel_row dout = panel_columns(call->dout, call->columns), value = panel_columns(call->value, call->columns);
  panel_row recalled[DELTA_CHAINS], asked[DELTA_CHAINS];
  EACH_CHAIN recalled[chain] = asked[chain] = panel_zero();
  size_t i = 0;
  for (; i + DELTA_CHAINS <= call->key_dims; i += DELTA_CHAINS) {
    EACH_CHAIN delta_meet(call, i + chain, &dout, &recalled[chain], &asked[chain]);
  }
  for (int chain = 0; i < call->key_dims; ++i, ++chain) delta_meet(call, i, &dout, &recalled[chain], &asked[chain]);
  const panel_row known = panel_chained(recalled), wanted = panel_chained(asked);
  const vf beta = v_set(call->beta), decay = v_set(call->decay);
  panel_row written, corrected, rate, fading = panel_zero();
  EACH_PART {
    const vf difference = v_subtract(value.parts[part], known.parts[part]);
    written.parts[part] = v_multiply(difference, beta);
    corrected.parts[part] = v_multiply(wanted.parts[part], beta);
    rate.parts[part] = v_multiply(wanted.parts[part], difference);
    const size_t first = (size_t)part * LANES;
    if (call->columns > first) {
      v_store_first(call->dvalue + first, corrected.parts[part], lanes_at(first, call->columns));
    }
  }
  for (i = 0; i < call->key_dims; ++i) {
    const vf key = v_set(call->key[i]);
    float *const gradient = call->gradient + i * CK_DELTA_PANEL;
    const float *const before = call->before + i * CK_DELTA_PANEL;
    panel_row product;
    EACH_PART {
      const vf b = v_load(before + part * LANES), g = v_load(gradient + part * LANES);
      const vf s = v_multiply(b, decay);
      product.parts[part] = v_fnma(s, corrected.parts[part], v_multiply(g, written.parts[part]));
      const vf h = v_fnma(key, corrected.parts[part], g);
      fading.parts[part] = v_fma(b, h, fading.parts[part]);
      v_store(gradient + part * LANES, v_multiply(h, decay));
    }
    const float sum = panel_sum(product);
    call->dkey[i] = call->add_keys ? call->dkey[i] + sum : sum;
  }
  const float of_beta = panel_sum(rate), of_decay = panel_sum(fading);
  *call->dbeta = call->add_rates ? *call->dbeta + of_beta : of_beta;
  *call->ddecay = call->add_rates ? *call->ddecay + of_decay : of_decay;
}
