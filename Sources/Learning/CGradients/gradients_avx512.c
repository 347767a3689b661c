// The kernels on AVX-512.
#if defined(__x86_64__)
#include "kernels.h"

#include "../../Base/CKernels/Vectors/native_avx512.h"
#include "../../Base/CKernels/Vectors/exp_vector.h"
#undef NATIVE
#pragma STDC FP_CONTRACT OFF

INLINE vf v_where_greater(vf a, vf b, vf yes, vf no) {
  return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), yes);
}
#define v_pin(v) __asm__ volatile("" : "+v"(v))

#define FLUSH_BEGIN                      \
  const unsigned control = _mm_getcsr(); \
  _mm_setcsr(control | _MM_FLUSH_ZERO_ON | 0x40 /* subnormal operands are zero */);
#define FLUSH_END _mm_setcsr(control);

#define TILE_ROWS 12
#define TILE_VECTORS 2
#define ROWS_CASES(DO) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12)
#define ROWS_LIE
#define FEW_ROWS 24
#define FEW_COLUMNS 64
#include "pack_avx512.h"
#include "row_gradients_template.h"
#include "delta_step_template.h"
#include "product_template.h"

const cg_kernels cg_avx512 = {product,         dot,     rms_norm,   rms_norm_weight, silu_multiply,
                              clamped_swiglu,  clip,    scaled_exp, exp_sum,         soften,
                              score_gradients, sigmoid, delta_step, limited_swiglu,  pool};
#pragma clang attribute pop
#else
typedef int cg_no_avx512_here;
#endif
