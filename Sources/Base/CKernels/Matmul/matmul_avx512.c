// Matmul on AVX-512 F, BW, VL, DQ: one register is the sixteen lanes.
#if defined(__x86_64__)
#include <immintrin.h>

#include "../kernels.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), \
                             apply_to = function)

#include "../Vectors/v16_avx512.h"

// Panels at once by rows: enough chains to hide a fused multiply-add's latency, in 32 registers.
#define ROWS_CASES(DO) \
  DO(1, 8) DO(2, 8) DO(3, 4) DO(4, 4) DO(5, 4) DO(6, 4) DO(7, 2) DO(8, 2) DO(9, 2) DO(10, 2) DO(11, 2) DO(12, 2)
#define MAX_DIRECT_ROWS 12
#include "../Formats/float_lanes.h"

#define EXPANDED_PANELS 2
#define WITHOUT_PAIRS
#define KERNELS_NAME ck_float_rows_avx512
#include "matmul_kernel.inc"

#pragma clang attribute pop
#endif
