// The portable reference of a step back of the gated delta rule.
#include <math.h>

#include "kernels.h"
#pragma STDC FP_CONTRACT OFF

#define PANEL CK_DELTA_PANEL

static float halved(float lanes[PANEL]) {
  for (int width = PANEL / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

static float chained(const float chains[4]) { return (chains[0] + chains[2]) + (chains[1] + chains[3]); }

static void put(float *target, float sum, bool add) { *target = add ? *target + sum : sum; }

void cg_delta_step_reference(const cg_delta_step *call) {
  const size_t dims = call->key_dims;
  float dout[PANEL] = {0}, difference[PANEL], wanted[PANEL], lanes[PANEL];
  for (size_t c = 0; c < call->columns; ++c) dout[c] = call->dout[c];
  for (size_t c = 0; c < PANEL; ++c) {
    float recalled[4] = {0}, asked[4] = {0};
    for (size_t i = 0; i < dims; ++i) {
      float *const g = call->gradient + i * PANEL + c;
      *g = fmaf(call->query[i], dout[c], *g);
      const float s = call->before[i * PANEL + c] * call->decay;
      recalled[i % 4] = fmaf(s, call->key[i], recalled[i % 4]);
      asked[i % 4] = fmaf(*g, call->key[i], asked[i % 4]);
    }
    difference[c] = (c < call->columns ? call->value[c] : 0) - chained(recalled);
    wanted[c] = chained(asked);
    if (c < call->columns) call->dvalue[c] = wanted[c] * call->beta;
  }
  float fading[PANEL] = {0};
  for (size_t i = 0; i < dims; ++i) {
    for (size_t c = 0; c < PANEL; ++c) lanes[c] = call->after[i * PANEL + c] * dout[c];
    put(call->dquery + i, halved(lanes), call->add_keys);
    for (size_t c = 0; c < PANEL; ++c) {
      float *const g = call->gradient + i * PANEL + c;
      const float b = call->before[i * PANEL + c], s = b * call->decay, corrected = wanted[c] * call->beta;
      lanes[c] = fmaf(-s, corrected, *g * (difference[c] * call->beta));
      const float h = fmaf(-call->key[i], corrected, *g);
      fading[c] = fmaf(b, h, fading[c]);
      *g = h * call->decay;
    }
    put(call->dkey + i, halved(lanes), call->add_keys);
  }
  for (size_t c = 0; c < PANEL; ++c) lanes[c] = wanted[c] * difference[c];
  put(call->dbeta, halved(lanes), call->add_rates);
  put(call->ddecay, halved(fading), call->add_rates);
}
