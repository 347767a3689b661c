// One instruction set's kernels: what every entry of this module looks up. Not part of the module's interface.
#ifndef C_KERNELS_KERNELS_H
#define C_KERNELS_KERNELS_H
#include "Attention/attention_kernels.h"
#include "Delta/delta_kernels.h"
#include "Elementwise/elementwise_kernels.h"
#include "Indexer/indexer_kernels.h"
#include "Matmul/Int8/matmul_int8_internal.h"
#include "Probes/probes_internal.h"
#include "Quantize/quantize_internal.h"
#include "Rows/rows_internal.h"

typedef struct {
  // Products by weight format: a row for each, NULL where the format does not meet such rows.
  ck_matmul_kernel *const *float_rows;
  ck_int8_kernel *const *int8_rows;
  // Of BF16 weights with bf16 rows.
  ck_matmul_kernel *bf16_rows;
  // Rounding of weights, by their format; NULL for formats of numbers.
  ck_quantize_kernel *const *quantize;
  const ck_row_kernels *rows;
  ck_attention_kernel *attention;
  // Over a q8 cache.
  ck_attention_kernel *attention_q8;
  ck_index_kernel *index_scores;
  const ck_elementwise_kernels *elementwise;
  const ck_delta_kernels *delta;
  ck_probe_kernels probes;
} ck_kernels;

// By instruction set; the reference's for those this build has none for. Filled before main begins.
extern const ck_kernels *ck_kernels_of[CK_ISA_COUNT];

// Products, by instruction set.
extern ck_matmul_kernel *const ck_float_rows_reference[CK_FORMAT_COUNT];
extern ck_int8_kernel *const ck_int8_rows_reference[CK_FORMAT_COUNT];
ck_matmul_kernel ck_bf16_rows_reference;
#if defined(__x86_64__)
extern ck_matmul_kernel *const ck_float_rows_avx2[CK_FORMAT_COUNT], *const ck_float_rows_avx512[CK_FORMAT_COUNT];
extern ck_int8_kernel *const ck_int8_rows_avx2[CK_FORMAT_COUNT], *const ck_int8_rows_avx512[CK_FORMAT_COUNT],
                                                                     *const ck_int8_rows_amx[CK_FORMAT_COUNT];
// The formats that are faster with AVX-512 VBMI; NULL for the others.
extern ck_matmul_kernel *const ck_float_rows_vbmi[CK_FORMAT_COUNT];
ck_matmul_kernel ck_bf16_rows_avx2, ck_bf16_rows_avx512;
#elif defined(__aarch64__)
extern ck_matmul_kernel *const ck_float_rows_neon[CK_FORMAT_COUNT];
extern ck_int8_kernel *const ck_int8_rows_neon[CK_FORMAT_COUNT], *const ck_int8_rows_dotprod[CK_FORMAT_COUNT],
                                                                     *const ck_int8_rows_i8mm[CK_FORMAT_COUNT];
ck_matmul_kernel ck_bf16_rows_neon;
#endif
#endif
