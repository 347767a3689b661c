// The tables of kernels, one for each instruction set, and what needs none.
#include "kernels.h"
#pragma STDC FP_CONTRACT OFF

// What AMX and I8MM add are products of int8, which are nobody's here.
#if defined(__x86_64__)
const cg_kernels *const cg_kernels_of[CK_ISA_COUNT] = {
    [CK_ISA_REFERENCE] = &cg_reference, [CK_ISA_AVX2] = &cg_avx2,      [CK_ISA_AVX512] = &cg_avx512,
    [CK_ISA_AMX] = &cg_avx512,          [CK_ISA_NEON] = &cg_reference, [CK_ISA_I8MM] = &cg_reference};
#elif defined(__aarch64__)
const cg_kernels *const cg_kernels_of[CK_ISA_COUNT] = {
    [CK_ISA_REFERENCE] = &cg_reference, [CK_ISA_AVX2] = &cg_reference, [CK_ISA_AVX512] = &cg_reference,
    [CK_ISA_AMX] = &cg_reference,       [CK_ISA_NEON] = &cg_neon,      [CK_ISA_I8MM] = &cg_neon};
#else
const cg_kernels *const cg_kernels_of[CK_ISA_COUNT] = {&cg_reference, &cg_reference, &cg_reference,
                                                       &cg_reference, &cg_reference, &cg_reference};
#endif

size_t cg_product_scratch(void) { return CG_SCRATCH_A + CG_SCRATCH_B + CG_SCRATCH_TOTALS; }

void cg_multiply(ck_isa isa, const cg_product *product, float *scratch) {
  if (product->rows == 0 || product->columns == 0 || (product->depth == 0 && product->add)) return;
#if defined(__x86_64__)
  if (product->bf16 && (isa == CK_ISA_AVX512 || isa == CK_ISA_AMX) && ck_multiplies_pairs()) {
    cg_product_bf16_avx512(product, scratch);
    return;
  }
#endif
  cg_kernels_of[isa]->product(product, scratch);
}

float cg_dot(ck_isa isa, const float *a, const float *b, size_t count) { return cg_kernels_of[isa]->dot(a, b, count); }

void cg_rms_norm(ck_isa isa, const float *x, size_t x_stride, const float *dy, size_t dy_stride, size_t rows, size_t n,
                 const float *weight, float epsilon, float *dx, size_t dx_stride, float *scales) {
  cg_kernels_of[isa]->rms_norm(x, x_stride, dy, dy_stride, rows, n, weight, epsilon, dx, dx_stride, scales);
}

void cg_rms_norm_weight(ck_isa isa, cg_vectors x, cg_vectors dy, size_t rows, size_t vectors, size_t n,
                        const float *scales, float *dweight, bool add) {
  cg_kernels_of[isa]->rms_norm_weight(x, dy, rows, vectors, n, scales, dweight, add);
}

void cg_sigmoid(ck_isa isa, const float *x, size_t count, float *out) { cg_kernels_of[isa]->sigmoid(x, count, out); }

void cg_silu_multiply(ck_isa isa, const float *gate, const float *up, const float *dout, float *dgate, float *dup,
                      size_t count) {
  cg_kernels_of[isa]->silu_multiply(gate, up, dout, dgate, dup, count);
}

void cg_clamped_swiglu(ck_isa isa, const float *gate, const float *up, const float *dout, float *dgate, float *dup,
                       size_t count, float alpha, float limit) {
  cg_kernels_of[isa]->clamped_swiglu(gate, up, dout, dgate, dup, count, alpha, limit);
}

void cg_limited_swiglu(ck_isa isa, const float *gate, const float *up, const float *dout, float *dgate, float *dup,
                       size_t count, float limit) {
  cg_kernels_of[isa]->limited_swiglu(gate, up, dout, dgate, dup, count, limit);
}

void cg_pool(ck_isa isa, const float *value, const float *gate, const float *bias, size_t n, const float *sums,
             const float *mean, const float *dmean, float *dvalue, float *dgate) {
  cg_kernels_of[isa]->pool(value, gate, bias, n, sums, mean, dmean, dvalue, dgate);
}

void cg_clip(ck_isa isa, const float *x, float limit, float *dx, size_t count) {
  cg_kernels_of[isa]->clip(x, limit, dx, count);
}

cg_logits cg_cross_entropy(ck_isa isa, float *logits, size_t n, size_t target, float factor, float z_factor) {
  const float greatest = ck_max(isa, logits, n), of_target = logits[target];
  const float sum = cg_kernels_of[isa]->exp_sum(logits, n, greatest);
  const cg_logits known = {.greatest = greatest, .sum = sum, .target = of_target};
  float weight = factor;
  if (z_factor != 0) {
    const float log_sum = greatest + (float)cg_log((double)sum);
    const float pull = 2 * z_factor * log_sum;
    weight = factor + pull;
  }
  ck_scale(isa, logits, weight / sum, logits, n);
  logits[target] -= factor;
  return known;
}
