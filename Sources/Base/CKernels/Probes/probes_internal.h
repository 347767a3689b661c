// What the probes' files share. Not part of the module's interface.
#ifndef C_KERNELS_PROBES_INTERNAL_H
#define C_KERNELS_PROBES_INTERNAL_H
#include <math.h>
#include <string.h>

#include "probes.h"

typedef uint64_t ck_read_probe(const void *memory, size_t bytes);
typedef uint64_t ck_arithmetic_probe(uint64_t iterations);

// One instruction set's; NULL for products it has no instructions for.
typedef struct {
  ck_read_probe *read;
  ck_arithmetic_probe *fma, *bf16, *int8;
} ck_probe_kernels;

ck_read_probe ck_probe_read_reference;
ck_arithmetic_probe ck_probe_fma_reference;
#if defined(__x86_64__)
ck_read_probe ck_probe_read_avx2, ck_probe_read_avx512;
ck_arithmetic_probe ck_probe_fma_avx2, ck_probe_fma_avx512, ck_probe_bf16_avx512, ck_probe_int8_avx512,
    ck_probe_int8_amx;
#elif defined(__aarch64__)
ck_read_probe ck_probe_read_neon;
ck_arithmetic_probe ck_probe_fma_neon, ck_probe_int8_dotprod, ck_probe_int8_i8mm;
#endif

// The same value, which the compiler can neither foresee nor drop.
static inline float ck_probe_opaque(float value) {
  __asm__ volatile("" : "+m"(value));
  return value;
}
#endif
