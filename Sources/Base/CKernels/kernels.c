// The tables of kernels, one for each instruction set.
#include "kernels.h"

static const ck_kernels reference = {.float_rows = ck_float_rows_reference,
                                     .int8_rows = ck_int8_rows_reference,
                                     .bf16_rows = ck_bf16_rows_reference,
                                     .quantize = ck_portable_quantize,
                                     .rows = &ck_reference_rows,
                                     .attention = ck_reference_attention,
                                     .attention_q8 = ck_reference_attention_q8,
                                     .index_scores = ck_reference_index_scores,
                                     .elementwise = &ck_reference_elementwise,
                                     .delta = &ck_reference_delta,
                                     .probes = {.read = ck_probe_read_reference, .fma = ck_probe_fma_reference}};

#if defined(__x86_64__)
static const ck_kernels avx2 = {.float_rows = ck_float_rows_avx2,
                                .int8_rows = ck_int8_rows_avx2,
                                .bf16_rows = ck_bf16_rows_avx2,
                                .quantize = ck_avx2_quantize,
                                .rows = &ck_avx2_rows,
                                .attention = ck_avx2_attention,
                                .attention_q8 = ck_avx2_attention_q8,
                                .index_scores = ck_avx2_index_scores,
                                .elementwise = &ck_avx2_elementwise,
                                .delta = &ck_avx2_delta,
                                .probes = {.read = ck_probe_read_avx2, .fma = ck_probe_fma_avx2}};

// The products with fp32 rows that this processor is fastest with.
static ck_matmul_kernel *avx512_float_rows[CK_FORMAT_COUNT];

// Without VNNI or BF16, AVX2's products of int8 and bf16 rows and attention over q8 are taken.
#define AVX512(int8rows, q8attention, int8probe, bf16dot)                                                     \
  {                                                                                                           \
    .float_rows = avx512_float_rows, .int8_rows = int8rows,                                                   \
    .bf16_rows = bf16dot ? ck_bf16_rows_avx512 : ck_bf16_rows_avx2, .quantize = ck_avx512_quantize,           \
    .rows = &ck_avx512_rows, .attention = ck_avx512_attention, .attention_q8 = q8attention,                   \
    .index_scores = ck_avx512_index_scores, .elementwise = &ck_avx512_elementwise, .delta = &ck_avx512_delta, \
    .probes = {                                                                                               \
      .read = ck_probe_read_avx512,                                                                           \
      .fma = ck_probe_fma_avx512,                                                                             \
      .int8 = int8probe,                                                                                      \
      .bf16 = bf16dot ? ck_probe_bf16_avx512 : NULL                                                           \
    }                                                                                                         \
  }
#define NO_VNNI(bf16dot) AVX512(ck_int8_rows_avx2, ck_avx2_attention_q8, NULL, bf16dot)
#define VNNI(bf16dot) AVX512(ck_int8_rows_avx512, ck_avx512_attention_q8, ck_probe_int8_avx512, bf16dot)
#define AMX(bf16dot) AVX512(ck_int8_rows_amx, ck_avx512_attention_q8, ck_probe_int8_amx, bf16dot)
static const ck_kernels avx512[2][2] = {{NO_VNNI(0), NO_VNNI(1)}, {VNNI(0), VNNI(1)}};  // [VNNI][BF16]
static const ck_kernels amx[2] = {AMX(0), AMX(1)};                                      // [BF16]
#elif defined(__aarch64__)
#define NEON(int8rows, q8attention, int8probe)                                                              \
  {                                                                                                         \
    .float_rows = ck_float_rows_neon, .int8_rows = int8rows, .bf16_rows = ck_bf16_rows_neon,                \
    .quantize = ck_portable_quantize, .rows = &ck_neon_rows, .attention = ck_neon_attention,                \
    .attention_q8 = q8attention, .index_scores = ck_neon_index_scores, .elementwise = &ck_neon_elementwise, \
    .delta = &ck_neon_delta, .probes = {                                                                    \
      .read = ck_probe_read_neon,                                                                           \
      .fma = ck_probe_fma_neon,                                                                             \
      .int8 = int8probe                                                                                     \
    }                                                                                                       \
  }
static const ck_kernels neon[2] = {NEON(ck_int8_rows_neon, ck_neon_attention_q8, NULL),  // [dot product]
                                   NEON(ck_int8_rows_dotprod, ck_dotprod_attention_q8, ck_probe_int8_dotprod)};
static const ck_kernels i8mm = NEON(ck_int8_rows_i8mm, ck_dotprod_attention_q8, ck_probe_int8_i8mm);
#endif

const ck_kernels *ck_kernels_of[CK_ISA_COUNT] = {&reference, &reference, &reference,
                                                 &reference, &reference, &reference};

// What instructions a processor has beyond its set's base is known only when it runs.
__attribute__((constructor)) static void choose(void) {
#if defined(__x86_64__)
  const ck_feature_set features = ck_features();
  for (size_t format = 0; format < CK_FORMAT_COUNT; format++) {
    ck_matmul_kernel *const by_bytes = features.byte_permutes ? ck_float_rows_vbmi[format] : NULL;
    avx512_float_rows[format] = by_bytes ? by_bytes : ck_float_rows_avx512[format];
  }
  ck_kernels_of[CK_ISA_AVX2] = &avx2;
  ck_kernels_of[CK_ISA_AVX512] = &avx512[features.int8_dot][features.bf16_dot];
  ck_kernels_of[CK_ISA_AMX] = &amx[features.bf16_dot];
#elif defined(__aarch64__)
  ck_kernels_of[CK_ISA_NEON] = &neon[ck_features().int8_dot];
  ck_kernels_of[CK_ISA_I8MM] = &i8mm;
#endif
}
