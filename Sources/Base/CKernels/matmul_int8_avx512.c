// Int8 matmul on AVX-512 VNNI: one register is the sixteen lanes.
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"))), \
                             apply_to = function)

#include "int8_avx512_lanes.h"

#include "Formats/level_lanes.h"
#include "Formats/block_lanes.h"

// One row reads one panel after the other. With several rows four streams of weights keep memory busier than two, even
// where the chains of fp32 sums go to the stack for it.
#define ROWS_CASES(DO) \
  DO(1, is_blocks(format) ? 2 : 1) DO(2, 4) DO(3, 4) DO(4, 4) DO(5, 4) DO(6, line_parts(format) == 1 ? 4 : 2)
#define MAX_ROWS 6
#define BLOCK_PANELS (ck_geometries[format].low_bits == 8 ? 1 : 2)
#define KERNELS_NAME ck_int8_rows_avx512
#include "matmul_int8_kernel.inc"

#pragma clang attribute pop
#endif
