// The int8 probe on Armv8.6 with the matrix instructions.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "probes_internal.h"

#define CHAINS 16

__attribute__((target("i8mm"))) uint64_t ck_probe_int8_i8mm(uint64_t iterations) {
  int32x4_t chains[CHAINS];
  const int8x16_t zero = vreinterpretq_s8_f32(vdupq_n_f32(ck_probe_opaque(0.0f)));
  for (int i = 0; i < CHAINS; i++) chains[i] = vdupq_n_s32(0);
  for (uint64_t n = 0; n < iterations; n++) {
#pragma clang loop unroll(full)
    for (int i = 0; i < CHAINS; i++) {
      chains[i] = vmmlaq_s32(chains[i], zero, zero);
      __asm__ volatile("" : "+w"(chains[i]));
    }
  }
  return iterations * CHAINS * 32 * 2;
}
#endif
