// Probes on AVX2.
#if defined(__x86_64__)
#include <immintrin.h>

#include "probes_internal.h"

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
typedef __m256i words;
typedef __m256 lanes;
#define SPLAT_WORD(w) _mm256_set1_epi64x(w)
#define LOAD_WORDS(p) _mm256_loadu_si256((const __m256i *)(p))
#define ADD_WORDS(a, b) _mm256_add_epi64(a, b)
static inline uint64_t words_sum(words v) {
  uint64_t parts[4];
  memcpy(parts, &v, sizeof parts);
  return parts[0] + parts[1] + parts[2] + parts[3];
}
#define SPLAT(f) _mm256_set1_ps(f)
#define MULTIPLY_ADD(a, b, c) _mm256_fmadd_ps(a, b, c)
#define KEEP(v) __asm__ volatile("" ::"x"(v))
#define CHAINS 12
#define READ_NAME ck_probe_read_avx2
#define FMA_NAME ck_probe_fma_avx2
#include "probes_kernel.inc"
#pragma clang attribute pop
#endif
