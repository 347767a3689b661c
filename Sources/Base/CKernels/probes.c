// Probes of this machine's limits: the choice of instruction set and the portable ones.
#include "matmul_internal.h"
#include "probes_internal.h"

static uint64_t read_reference(const uint8_t *memory, size_t bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i + 8 <= bytes; i += 8) {
    uint64_t word;
    memcpy(&word, memory + i, sizeof word);
    sum += word;
  }
  return sum;
}

// Sixteen chains, as many as a processor without vectors could want.
static uint64_t fma_reference(uint64_t iterations) {
  float chains[16];
  for (int i = 0; i < 16; i++) chains[i] = (float)i;
  const float factor = ck_probe_opaque(0.5f), addend = ck_probe_opaque(1.0f);
  for (uint64_t n = 0; n < iterations; n++) {
    for (int i = 0; i < 16; i++) chains[i] = fmaf(chains[i], factor, addend);
  }
  for (int i = 0; i < 16; i++) ck_probe_opaque(chains[i]);
  return iterations * 16 * 2;
}

uint64_t ck_probe_read(ck_isa isa, const void *memory, size_t bytes) {
  switch (isa) {
#if defined(__x86_64__)
    case CK_ISA_AVX2: return ck_probe_read_avx2(memory, bytes);
    case CK_ISA_AVX512: return ck_probe_read_avx512(memory, bytes);
#elif defined(__aarch64__)
    case CK_ISA_NEON: return ck_probe_read_neon(memory, bytes);
#endif
    default: return read_reference(memory, bytes);
  }
}

uint64_t ck_probe_fma(ck_isa isa, uint64_t iterations) {
  switch (isa) {
#if defined(__x86_64__)
    case CK_ISA_AVX2: return ck_probe_fma_avx2(iterations);
    case CK_ISA_AVX512: return ck_probe_fma_avx512(iterations);
#elif defined(__aarch64__)
    case CK_ISA_NEON: return ck_probe_fma_neon(iterations);
#endif
    default: return fma_reference(iterations);
  }
}

uint64_t ck_probe_bf16(ck_isa isa, uint64_t iterations) {
#if defined(__x86_64__)
  if (isa == CK_ISA_AVX512 && ck_features().bf16_dot) return ck_probe_bf16_avx512(iterations);
#else
  (void)isa, (void)iterations;
#endif
  return 0;
}

uint64_t ck_probe_int8(ck_isa isa, uint64_t iterations) {
#if defined(__x86_64__)
  if (isa == CK_ISA_AVX512 && ck_features().int8_dot) return ck_probe_int8_avx512(iterations);
#elif defined(__aarch64__)
  if (isa == CK_ISA_NEON && ck_features().int8_dot) return ck_probe_int8_dotprod(iterations);
#endif
  return 0;
}
