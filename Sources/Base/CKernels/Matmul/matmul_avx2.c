// Matmul on AVX2, FMA and F16C: two registers are the sixteen lanes.
#if defined(__x86_64__)
#include <immintrin.h>

#include "../kernels.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "../Vectors/v16_avx2.h"

// Panels at once by rows: enough chains to hide a fused multiply-add's latency, in 16 registers.
#define ROWS_CASES(DO) DO(1, 4) DO(2, 2) DO(3, 1) DO(4, 1) DO(5, 1) DO(6, 1)
#define MAX_DIRECT_ROWS 6
#include "../Formats/float_lanes.h"

INLINE_OP __m256 dot2(__m256i a, __m256i b, __m256 c) {
  c = _mm256_fmadd_ps(bf16_values(a, 1), bf16_values(b, 1), c);
  return _mm256_fmadd_ps(bf16_values(a, 0), bf16_values(b, 0), c);
}
INLINE_OP v16 v16_dot2(v16 a, v16 b, v16 c) {
  return v16_of(dot2(_mm256_castps_si256(a.low), _mm256_castps_si256(b.low), c.low),
                dot2(_mm256_castps_si256(a.high), _mm256_castps_si256(b.high), c.high));
}

#define EXPANDED_PANELS 1
#define KERNELS_NAME ck_float_rows_avx2
#define PAIRS_KERNEL_NAME ck_bf16_rows_avx2
#define PAIRS_BEGIN                          \
  const unsigned int control = _mm_getcsr(); \
  _mm_setcsr(control | _MM_FLUSH_ZERO_ON | 0x40 /* subnormal operands are zero */);
#define PAIRS_END _mm_setcsr(control);
#include "matmul_kernel.inc"

#pragma clang attribute pop
#endif
