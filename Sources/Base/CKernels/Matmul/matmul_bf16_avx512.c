// Products of bf16 pairs on AVX-512 BF16. VDPBF16PS adds the products of the odd halves, then of the even ones, each
// with one rounding, and takes and leaves subnormals as zero whatever the control register says (Intel SDM volume 2).
#if defined(__x86_64__)
#include <immintrin.h>

#include "../kernels.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma,f16c"))), \
                             apply_to = function)

#include "../Vectors/v16_avx512.h"

INLINE_OP v16 v16_dot2(v16 a, v16 b, v16 c) { return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b); }

#define ROWS_CASES(DO) \
  DO(1, 8) DO(2, 8) DO(3, 4) DO(4, 4) DO(5, 4) DO(6, 4) DO(7, 2) DO(8, 2) DO(9, 2) DO(10, 2) DO(11, 2) DO(12, 2)
#define MAX_DIRECT_ROWS 12
#include "../Formats/float_lanes.h"

#define EXPANDED_PANELS 2
#define ONLY_PAIRS
#define PAIRS_KERNEL_NAME ck_bf16_rows_avx512
// Totals and biases count as zero, too, where they are subnormal.
#define PAIRS_BEGIN                          \
  const unsigned int control = _mm_getcsr(); \
  _mm_setcsr(control | _MM_FLUSH_ZERO_ON | 0x40 /* subnormal operands are zero */);
#define PAIRS_END _mm_setcsr(control);
#include "matmul_kernel.inc"

#pragma clang attribute pop
#endif
