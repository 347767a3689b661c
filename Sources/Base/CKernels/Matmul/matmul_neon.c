// Matmul on Armv8-A Advanced SIMD: four registers are the sixteen lanes.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "../kernels.h"

#pragma STDC FP_CONTRACT OFF

#include "../Vectors/v16_neon.h"

// Panels at once by rows: enough chains to hide a fused multiply-add's latency, in 32 registers.
#define ROWS_CASES(DO) DO(1, 4) DO(2, 2) DO(3, 1) DO(4, 1) DO(5, 1) DO(6, 1)
#define MAX_DIRECT_ROWS 6
#include "../Formats/float_lanes.h"

INLINE_OP v16 v16_dot2(v16 a, v16 b, v16 c) {
  c = v16_fma(bf16_halves(a, 1), bf16_halves(b, 1), c);
  return v16_fma(bf16_halves(a, 0), bf16_halves(b, 0), c);
}

#define EXPANDED_PANELS 1
#define KERNELS_NAME ck_float_rows_neon
#define PAIRS_KERNEL_NAME ck_bf16_rows_neon
// FZ, bit 24 of FPCR, flushes operands and results, but results before they are rounded: what would be rounded to the
// least normal number is zero then. Where anything was flushed, FPSR says so (bit 3), and the reference computes all
// again.
#define PAIRS_BEGIN                                              \
  uint64_t control, status;                                      \
  __asm__ volatile("mrs %0, fpcr" : "=r"(control));              \
  __asm__ volatile("mrs %0, fpsr" : "=r"(status));               \
  __asm__ volatile("msr fpsr, %0" ::"r"(status & ~(uint64_t)8)); \
  __asm__ volatile("msr fpcr, %0" ::"r"(control | 1u << 24));
#define PAIRS_END                                  \
  __asm__ volatile("msr fpcr, %0" ::"r"(control)); \
  __asm__ volatile("mrs %0, fpsr" : "=r"(status)); \
  if (status & 8) ck_bf16_rows_reference(call);
#include "matmul_kernel.inc"
#endif
