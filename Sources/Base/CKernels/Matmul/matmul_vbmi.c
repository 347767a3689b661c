// Products of few rows with formats that AVX-512 VBMI expands faster: their bytes are looked up, 64 at once.
#if defined(__x86_64__)
#include <immintrin.h>

#include "../kernels.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx2,fma,f16c"))), \
                             apply_to = function)

#include "../Vectors/v16_avx512.h"

#define MAX_DIRECT_ROWS 1
#include "../Formats/float_lanes.h"
#include "../Formats/line_lanes.h"

#define WITHOUT_PAIRS
#include "matmul_block.inc"
#include "matmul_lines.inc"
#include "matmul_single.inc"

// Rows for which it is faster to take one after the other than together without these permutations; P panels at once,
// enough chains to hide a fused multiply-add's latency. Measured.
#define KERNEL(name, NAME, MOST_ROWS, P)                    \
  static void name(const ck_matmul_call *call) {            \
    if (call->m <= (MOST_ROWS)) single(CK_##NAME, P, call); \
    else ck_float_rows_avx512[CK_##NAME](call);             \
  }
KERNEL(f8e4m3, F8E4M3, 3, 4)
KERNEL(mxfp4, MXFP4, 4, 8)

ck_matmul_kernel *const ck_float_rows_vbmi[CK_FORMAT_COUNT] = {[CK_F8E4M3] = f8e4m3, [CK_MXFP4] = mxfp4};

#pragma clang attribute pop
#endif
