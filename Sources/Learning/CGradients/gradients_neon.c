// The kernels on Advanced SIMD.
#if defined(__aarch64__)
#include "kernels.h"

#include "../../Base/CKernels/native_neon.h"
#include "../../Base/CKernels/exp_vector.h"
#undef NATIVE
#pragma STDC FP_CONTRACT OFF

INLINE vf v_where_greater(vf a, vf b, vf yes, vf no) { return vbslq_f32(vcgtq_f32(a, b), yes, no); }
#define v_pin(v) __asm__ volatile("" : "+w"(v))

// FZ, bit 24 of FPCR, flushes operands and results.
#define FLUSH_BEGIN                                 \
  uint64_t control;                                 \
  __asm__ volatile("mrs %0, fpcr" : "=r"(control)); \
  __asm__ volatile("msr fpcr, %0" ::"r"(control | 1u << 24));
#define FLUSH_END __asm__ volatile("msr fpcr, %0" ::"r"(control));

#define TILE_ROWS 8
#define TILE_VECTORS 3
#define ROWS_CASES(DO) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8)
#define FEW_ROWS 16
#define FEW_COLUMNS 48
#include "row_gradients_template.h"
#include "product_template.h"

const cg_kernels cg_neon = {product, dot,        rms_norm, rms_norm_weight, silu_multiply, clamped_swiglu,
                            clip,    scaled_exp, soften,   score_gradients, sigmoid};
#pragma clang attribute pop
#else
typedef int cg_no_neon_here;
#endif
