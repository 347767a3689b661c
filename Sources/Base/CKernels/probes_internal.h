// What the probes' files share. Not part of the module's interface.
#ifndef C_KERNELS_PROBES_INTERNAL_H
#define C_KERNELS_PROBES_INTERNAL_H
#include <math.h>
#include <string.h>

#include "probes.h"

#if defined(__x86_64__)
uint64_t ck_probe_read_avx2(const void *memory, size_t bytes);
uint64_t ck_probe_read_avx512(const void *memory, size_t bytes);
uint64_t ck_probe_fma_avx2(uint64_t iterations);
uint64_t ck_probe_fma_avx512(uint64_t iterations);
uint64_t ck_probe_bf16_avx512(uint64_t iterations);
uint64_t ck_probe_int8_avx512(uint64_t iterations);
#elif defined(__aarch64__)
uint64_t ck_probe_read_neon(const void *memory, size_t bytes);
uint64_t ck_probe_fma_neon(uint64_t iterations);
uint64_t ck_probe_int8_dotprod(uint64_t iterations);
#endif

// The same value, which the compiler can neither foresee nor drop.
static inline float ck_probe_opaque(float value) {
  __asm__ volatile("" : "+m"(value));
  return value;
}
#endif
