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

// Rows to which Q8 goes straight from memory read one panel after the other. Q4, which is half the memory for as many
// products, goes to several of them four panels at a time, which share what is loaded of the rows.
#define FEW_PANELS (whole ? CK_Q_SCRATCH_PANELS : line_parts(format) == 1 ? 1 : 4)
#define ROWS_CASES(DO)             \
  DO(1, is_blocks(format) ? 2 : 1) \
  DO(2, FEW_PANELS) DO(3, FEW_PANELS) DO(4, FEW_PANELS) DO(5, FEW_PANELS) DO(6, FEW_PANELS < 2 ? FEW_PANELS : 2)
#define MAX_ROWS 6
#define BLOCK_PANELS (ck_geometries[format].low_bits == 8 ? 1 : 2)
#define KERNELS_NAME ck_int8_rows_avx512
#include "matmul_int8_kernel.inc"

#pragma clang attribute pop
#endif
