// One instruction set's element-wise kernels; attention.h's table is beside it.
#ifndef C_KERNELS_ELEMENTWISE_KERNELS_H
#define C_KERNELS_ELEMENTWISE_KERNELS_H
#include "elementwise.h"

typedef struct {
  void (*rms_norm)(const float *x, size_t x_stride, size_t rows, size_t n, const float *weight, float epsilon,
                   float *out, size_t out_stride);
  void (*layer_norm)(const float *x, size_t n, const float *weight, const float *bias, float epsilon, float *out);
  void (*rope_halves)(float *x, size_t dims, const float *cosine, const float *sine);
  void (*rope_interleaved)(float *x, size_t dims, const float *cosine, const float *sine);
  void (*silu_multiply)(const float *gate, const float *up, float *out, size_t count);
  void (*sigmoid_multiply)(const float *gate, const float *x, float *out, size_t count);
  void (*clamped_swiglu)(const float *gate, const float *up, float *out, size_t count, float alpha, float limit);
  void (*limited_swiglu)(const float *gate, const float *up, float *out, size_t count, float limit);
  void (*pool)(const float *value, const float *gate, const float *bias, size_t n, bool first, float *sums);
  void (*pooled)(const float *sums, size_t n, float *out);
  void (*sum)(const float *a, const float *b, float *out, size_t count);
  void (*scale)(const float *x, float factor, float *out, size_t count);
  void (*add_scaled)(float *out, const float *x, float factor, size_t count);
  void (*clip)(float *x, float limit, size_t count);
  float (*max)(const float *x, size_t count);
  float (*sum_exp)(const float *x, size_t count, float shift);
  void (*exponentials)(const float *x, float *out, size_t count);
} ck_elementwise_kernels;

extern const ck_elementwise_kernels ck_reference_elementwise;
#if defined(__x86_64__)
extern const ck_elementwise_kernels ck_avx2_elementwise;
extern const ck_elementwise_kernels ck_avx512_elementwise;
#elif defined(__aarch64__)
extern const ck_elementwise_kernels ck_neon_elementwise;
#endif
#endif
