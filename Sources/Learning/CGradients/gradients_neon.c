// The kernels on Advanced SIMD.
#if defined(__aarch64__)
#include "kernels.h"

#include "../../Base/CKernels/Vectors/native_neon.h"
#include "../../Base/CKernels/Vectors/exp_vector.h"
#undef NATIVE
#pragma STDC FP_CONTRACT OFF

INLINE vf v_where_greater(vf a, vf b, vf yes, vf no) { return vbslq_f32(vcgtq_f32(a, b), yes, no); }
#define v_pin(v) __asm__ volatile("" : "+w"(v))

// FZ, bit 24 of FPCR, flushes operands and results, but results before they are rounded: what would be rounded to the
// least normal number is zero then. Where anything was flushed, FPSR says so (bit 3), and the tile is computed again.
INLINE uint64_t fp_status(void) {
  uint64_t status;
  __asm__ volatile("mrs %0, fpsr" : "=r"(status));
  return status;
}
INLINE void forget_flushed(void) { __asm__ volatile("msr fpsr, %0" ::"r"(fp_status() & ~(uint64_t)8)); }
#define HAS_FLUSHED ((fp_status() & 8) != 0)
#define FORGET_FLUSHED forget_flushed()
#define FLUSH_BEGIN                                 \
  uint64_t control;                                 \
  __asm__ volatile("mrs %0, fpcr" : "=r"(control)); \
  FORGET_FLUSHED;                                   \
  __asm__ volatile("msr fpcr, %0" ::"r"(control | 1u << 24));
#define FLUSH_END __asm__ volatile("msr fpcr, %0" ::"r"(control));

/// v_fma while FZ is on, of which what was flushed and is 2^-126 when rounded, 2^64 times as large, is that.
INLINE vf v_fma_flushed(vf a, vf b, vf c) {
  const vf sum = v_fma(a, b, c), factor = v_set(0x1p64f);
  const vf large = v_fma(v_multiply(a, factor), b, v_multiply(c, factor));
  const uint32x4_t is_least = vceqq_f32(vabsq_f32(large), v_set(0x1p-62f));
  return vbslq_f32(is_least, v_multiply(large, v_set(0x1p-64f)), sum);
}

#define TILE_ROWS 8
#define TILE_VECTORS 3
#define ROWS_CASES(DO) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8)
#define FEW_ROWS 16
#define FEW_COLUMNS 48
#include "row_gradients_template.h"
#include "delta_step_template.h"
#include "product_template.h"

const cg_kernels cg_neon = {product,         dot,     rms_norm,   rms_norm_weight, silu_multiply,
                            clamped_swiglu,  clip,    scaled_exp, exp_sum,         soften,
                            score_gradients, sigmoid, delta_step, limited_swiglu,  pool};
#pragma clang attribute pop
#else
typedef int cg_no_neon_here;
#endif
