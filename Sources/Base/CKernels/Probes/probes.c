// Probes of this machine's limits: the choice of instruction set and the portable ones.
#include "../kernels.h"

uint64_t ck_probe_read_reference(const void *memory, size_t bytes) {
  const uint8_t *const base = memory;
  uint64_t sum = 0;
  for (size_t i = 0; i + 8 <= bytes; i += 8) {
    uint64_t word;
    memcpy(&word, base + i, sizeof word);
    sum += word;
  }
  return sum;
}

// Sixteen chains, as many as a processor without vectors could want.
uint64_t ck_probe_fma_reference(uint64_t iterations) {
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
  return ck_kernels_of[isa]->probes.read(memory, bytes);
}

uint64_t ck_probe_fma(ck_isa isa, uint64_t iterations) { return ck_kernels_of[isa]->probes.fma(iterations); }

uint64_t ck_probe_bf16(ck_isa isa, uint64_t iterations) {
  ck_arithmetic_probe *const probe = ck_kernels_of[isa]->probes.bf16;
  return probe ? probe(iterations) : 0;
}

uint64_t ck_probe_int8(ck_isa isa, uint64_t iterations) {
  ck_arithmetic_probe *const probe = ck_kernels_of[isa]->probes.int8;
  return probe ? probe(iterations) : 0;
}
