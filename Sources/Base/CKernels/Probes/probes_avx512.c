// Probes on AVX-512.
#if defined(__x86_64__)
#include <immintrin.h>

#include "probes_internal.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma"))), apply_to = function)
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

// Rounds of sixteen chains of instruction `op`, whose operands hold `products` products a round each.
#define DOT_PROBE(name, features, vector, op, products)                                                        \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq," features))) uint64_t name(uint64_t iterations) { \
    vector chains[CHAINS];                                                                                     \
    const float seed = ck_probe_opaque(0.0f);                                                                  \
    const __m512i zero = _mm512_castps_si512(_mm512_set1_ps(seed));                                            \
    for (int i = 0; i < CHAINS; i++) memset(&chains[i], 0, sizeof chains[i]);                                  \
    for (uint64_t n = 0; n < iterations; n++) {                                                                \
      _Pragma("clang loop unroll(full)") for (int i = 0; i < CHAINS; i++) {                                    \
        chains[i] = op;                                                                                        \
        __asm__ volatile("" : "+v"(chains[i]));                                                                \
      }                                                                                                        \
    }                                                                                                          \
    return iterations * CHAINS * (products)*2;                                                                 \
  }
DOT_PROBE(ck_probe_bf16_avx512, "avx512bf16", __m512, _mm512_dpbf16_ps(chains[i], (__m512bh)zero, (__m512bh)zero), 32)
DOT_PROBE(ck_probe_int8_avx512, "avx512vnni", __m512i, _mm512_dpbusd_epi32(chains[i], zero, zero), 64)
#endif
