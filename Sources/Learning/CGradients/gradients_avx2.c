// The kernels on AVX2 and FMA.
#if defined(__x86_64__)
#include "kernels.h"

#include "../../Base/CKernels/Vectors/native_avx2.h"
#include "../../Base/CKernels/Vectors/exp_vector.h"
#undef NATIVE
#pragma STDC FP_CONTRACT OFF

INLINE vf v_where_greater(vf a, vf b, vf yes, vf no) {
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
#define v_pin(v) __asm__ volatile("" : "+x"(v))

#define FLUSH_BEGIN                      \
  const unsigned control = _mm_getcsr(); \
  _mm_setcsr(control | _MM_FLUSH_ZERO_ON | 0x40 /* subnormal operands are zero */);
#define FLUSH_END _mm_setcsr(control);

#define TILE_ROWS 6
#define TILE_VECTORS 2
#define ROWS_CASES(DO) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6)
#define FEW_ROWS 12
#define FEW_COLUMNS 64
#include "row_gradients_template.h"
#include "delta_step_template.h"
#include "product_template.h"

const cg_kernels cg_avx2 = {product,         dot,     rms_norm,   rms_norm_weight, silu_multiply,
                            clamped_swiglu,  clip,    scaled_exp, exp_sum,         soften,
                            score_gradients, sigmoid, delta_step, limited_swiglu,  pool};
#pragma clang attribute pop
#else
typedef int cg_no_avx2_here;
#endif
