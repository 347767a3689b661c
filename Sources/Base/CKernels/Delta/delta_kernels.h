// The kernels of delta.h for one instruction set. Not part of the module's interface.
#ifndef C_KERNELS_DELTA_KERNELS_H
#define C_KERNELS_DELTA_KERNELS_H
#include "delta.h"

typedef struct {
  void (*convolution)(const float *const *rows, size_t taps, const float *weights, size_t weight_stride,
                      size_t channels, float *out);
  void (*l2_norm)(const float *x, size_t x_stride, size_t rows, size_t n, float epsilon, float factor, float *out,
                  size_t out_stride);
  void (*gated_norm)(const float *x, size_t x_stride, const float *gate, size_t gate_stride, size_t rows, size_t n,
                     const float *weight, float epsilon, float *out, size_t out_stride);
  void (*rule)(float *state, size_t key_dims, size_t value_dims, size_t first_panel, size_t panel_count,
               const ck_delta_tokens *tokens, size_t count);
} ck_delta_kernels;

extern const ck_delta_kernels ck_reference_delta;
#if defined(__x86_64__)
extern const ck_delta_kernels ck_avx2_delta;
extern const ck_delta_kernels ck_avx512_delta;
#elif defined(__aarch64__)
extern const ck_delta_kernels ck_neon_delta;
#endif
#endif
