// The gradient of the gated delta rule, out of CKernels' rule and of the step back of each instruction set.
#include <string.h>

#include "kernels.h"
#pragma STDC FP_CONTRACT OFF

#define PANEL CK_DELTA_PANEL
#define BLOCK CG_DELTA_BLOCK

static size_t blocks_of(size_t tokens) { return (tokens + BLOCK - 1) / BLOCK; }

/// States before each block, those of one block, the gradient by the state, and a token's output.
size_t cg_delta_scratch(size_t tokens, size_t key_dims) {
  return (blocks_of(tokens) + BLOCK + 2) * key_dims * PANEL + PANEL;
}

static const float *row_of(cg_rows rows, size_t t) { return rows.start + t * rows.stride; }
static float *mutable_row_of(cg_mutable_rows rows, size_t t) { return rows.start + t * rows.stride; }

/// Takes a panel's state past `count` tokens from t on.
static void go(ck_isa isa, const cg_delta *call, float *state, size_t first, size_t columns, size_t t, size_t count,
               float *out) {
  const ck_delta_tokens tokens = {.query = row_of(call->query, t),
                                  .key = row_of(call->key, t),
                                  .value = row_of(call->value, t) + first,
                                  .decay = row_of(call->decay, t),
                                  .beta = row_of(call->beta, t),
                                  .out = out,
                                  .key_stride = call->key.stride,
                                  .value_stride = call->value.stride,
                                  .gate_stride = call->decay.stride,
                                  // What it gives was given before: each token's takes the place of the last one's.
                                  .out_stride = 0};
  ck_delta_rule(isa, state, call->key_dims, columns, 0, 1, &tokens, count);
}

void cg_delta_rule(ck_isa isa, const cg_delta *call, float *scratch) {
  const size_t size = call->key_dims * PANEL, blocks = blocks_of(call->tokens);
  float *const starts = scratch, *const states = starts + blocks * size;
  float *const gradient = states + (BLOCK + 1) * size, *const out = gradient + size;
  for (size_t first = 0; first < call->value_dims; first += PANEL) {
    const size_t columns = call->value_dims - first < PANEL ? call->value_dims - first : PANEL;
    memset(states, 0, size * sizeof(float));
    for (size_t block = 0; block < blocks; ++block) {
      memcpy(starts + block * size, states, size * sizeof(float));
      if (block + 1 < blocks) go(isa, call, states, first, columns, block * BLOCK, BLOCK, out);
    }
    memset(gradient, 0, size * sizeof(float));
    for (size_t block = blocks; block-- > 0;) {
      const size_t begin = block * BLOCK, end = call->tokens - begin < BLOCK ? call->tokens : begin + BLOCK;
      memcpy(states, starts + block * size, size * sizeof(float));
      for (size_t t = begin; t < end; ++t) {
        float *const after = states + (t + 1 - begin) * size;
        memcpy(after, after - size, size * sizeof(float));
        go(isa, call, after, first, columns, t, 1, out);
      }
      for (size_t t = end; t-- > begin;) {
        const float *const before = states + (t - begin) * size;
        const cg_delta_step step = {.before = before,
                                    .after = before + size,
                                    .gradient = gradient,
                                    .key_dims = call->key_dims,
                                    .columns = columns,
                                    .query = row_of(call->query, t),
                                    .key = row_of(call->key, t),
                                    .value = row_of(call->value, t) + first,
                                    .dout = row_of(call->dout, t) + first,
                                    .decay = *row_of(call->decay, t),
                                    .beta = *row_of(call->beta, t),
                                    .dquery = mutable_row_of(call->dquery, t),
                                    .dkey = mutable_row_of(call->dkey, t),
                                    .dvalue = mutable_row_of(call->dvalue, t) + first,
                                    .ddecay = mutable_row_of(call->ddecay, t),
                                    .dbeta = mutable_row_of(call->dbeta, t),
                                    .add_keys = call->add || first > 0,
                                    .add_rates = first > 0};
        cg_kernels_of[isa]->delta_step(&step);
      }
    }
  }
}
