// One instruction set's kernels: what every entry of this module looks up. Not part of the module's interface.
#ifndef C_GRADIENTS_KERNELS_H
#define C_GRADIENTS_KERNELS_H
#include <string.h>

#include "CGradients.h"

/// The bits of the nearest bf16 number, as fp32's; ties to even, subnormals become zeros, NaN stays NaN.
static inline uint32_t cg_bf16_rounded(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint32_t magnitude = bits & 0x7FFFFFFF, nearest = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000;
  const uint32_t kept = magnitude > 0x7F800000 ? (bits | 0x400000) & 0xFFFF0000 : nearest;
  return magnitude < 0x00800000 ? bits & 0x80000000 : kept;
}

/// Floats of scratch that a product may use: packed parts of both operands, and totals before they are added.
#define CG_SCRATCH_ROWS 192
#define CG_SCRATCH_COLUMNS 512
#define CG_SCRATCH_A (CG_SCRATCH_ROWS * CG_DEPTH_BLOCK)
#define CG_SCRATCH_B (CG_SCRATCH_COLUMNS * CG_DEPTH_BLOCK)
#define CG_SCRATCH_TOTALS (CG_SCRATCH_ROWS * CG_SCRATCH_COLUMNS)

/// A token of a panel of the gated delta rule on the way back; definition and order in delta_gradient.h.
typedef struct {
  const float *before, *after;  // [key_dims][16]
  float *gradient;              // [key_dims][16]: by `after` but for the token's output, becomes that by `before`
  size_t key_dims, columns;
  const float *query, *key;   // [key_dims]
  const float *value, *dout;  // [columns]
  float decay, beta;
  float *dquery, *dkey;  // [key_dims]
  float *dvalue;         // [columns]
  float *ddecay, *dbeta;
  bool add_keys, add_rates;
} cg_delta_step;

void cg_delta_step_reference(const cg_delta_step *step);

typedef struct {
  void (*product)(const cg_product *product, float *scratch);
  float (*dot)(const float *a, const float *b, size_t count);
  void (*rms_norm)(const float *x, size_t x_stride, const float *dy, size_t dy_stride, size_t rows, size_t n,
                   const float *weight, float epsilon, float *dx, size_t dx_stride, float *scales);
  void (*rms_norm_weight)(cg_vectors x, cg_vectors dy, size_t rows, size_t vectors, size_t n, const float *scales,
                          float *dweight, bool add);
  void (*silu_multiply)(const float *gate, const float *up, const float *dout, float *dgate, float *dup, size_t count);
  void (*clamped_swiglu)(const float *gate, const float *up, const float *dout, float *dgate, float *dup, size_t count,
                         float alpha, float limit);
  void (*clip)(const float *x, float limit, float *dx, size_t count);
  /// x[i] = ck_exp(x[i] - shift) * factor
  void (*scaled_exp)(float *x, size_t count, float shift, float factor);
  /// x[i] = ck_exp(x[i] - shift); returns their lane sum.
  float (*exp_sum)(float *x, size_t count, float shift);
  /// scores[i], before scale, to probabilities; returns the sink's.
  float (*soften)(float *scores, size_t count, float scale, const float *sink);
  /// gradients[i] = (p[i] * (gradients[i] - mean)) * scale
  void (*score_gradients)(const float *p, float *gradients, size_t count, float mean, float scale);
  void (*sigmoid)(const float *x, size_t count, float *out);
  void (*delta_step)(const cg_delta_step *step);
  void (*limited_swiglu)(const float *gate, const float *up, const float *dout, float *dgate, float *dup, size_t count,
                         float limit);
  void (*pool)(const float *value, const float *gate, const float *bias, size_t n, const float *sums, const float *mean,
               const float *dmean, float *dvalue, float *dgate);
} cg_kernels;

extern const cg_kernels cg_reference;
#if defined(__x86_64__)
extern const cg_kernels cg_avx2, cg_avx512;
/// A product in bf16 where the processor multiplies pairs of them.
void cg_product_bf16_avx512(const cg_product *product, float *scratch);
#elif defined(__aarch64__)
extern const cg_kernels cg_neon;
#endif

/// By instruction set; the reference for those this build has none for.
extern const cg_kernels *const cg_kernels_of[CK_ISA_COUNT];
#endif
