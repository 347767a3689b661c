// Instruction sets the kernels are written for.
#ifndef C_KERNELS_ISA_H
#define C_KERNELS_ISA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
  CK_ISA_REFERENCE = 0,  // portable C, readable, the specification of the others
  CK_ISA_AVX2 = 1,       // AVX2 + FMA + F16C
  CK_ISA_AVX512 = 2,     // AVX-512 F, BW, VL, DQ
  CK_ISA_NEON = 3,       // Armv8-A
  CK_ISA_COUNT
} ck_isa;

/// Whether this processor (and operating system) can run kernels of `isa`.
bool ck_isa_supported(ck_isa isa);
/// The fastest supported one.
ck_isa ck_isa_best(void);
#endif
