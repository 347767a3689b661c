// Probes on AVX-512.
#if defined(__x86_64__)
#include <immintrin.h>

#include "probes_internal.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma"))), \
                             apply_to = function)
typedef __m512i words;
typedef __m512 lanes;
#define SPLAT_WORD(w) _mm512_set1_epi64(w)
#define LOAD_WORDS(p) _mm512_loadu_si512(p)
#define ADD_WORDS(a, b) _mm512_add_epi64(a, b)
static inline uint64_t words_sum(words v) { return (uint64_t)_mm512_reduce_add_epi64(v); }
#define SPLAT(f) _mm512_set1_ps(f)
#define MULTIPLY_ADD(a, b, c) _mm512_fmadd_ps(a, b, c)
#define KEEP(v) __asm__ volatile("" ::"x"(v))
#define CHAINS 16
#define READ_NAME ck_probe_read_avx512
#define FMA_NAME ck_probe_fma_avx512
#include "probes_kernel.inc"
#pragma clang attribute pop
#endif
