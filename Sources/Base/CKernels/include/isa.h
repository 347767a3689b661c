// Instruction sets the kernels are written for.
#ifndef C_KERNELS_ISA_H
#define C_KERNELS_ISA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Of those of one processor the later is the faster.
typedef enum {
  CK_ISA_REFERENCE = 0,  // portable C, readable, the specification of the others
  CK_ISA_AVX2 = 1,       // AVX2 + FMA + F16C
  CK_ISA_AVX512 = 2,     // AVX-512 F, BW, VL, DQ
  CK_ISA_AMX = 3,        // AVX-512 with VNNI, AMX-TILE and AMX-INT8
  CK_ISA_NEON = 4,       // Armv8-A
  CK_ISA_I8MM = 5,       // Armv8.6-A: dot product, I8MM
  CK_ISA_COUNT
} ck_isa;

/// The word for `isa`, as people write it; NULL for numbers that stand for none.
const char *ck_isa_name(ck_isa isa);
/// Whether this processor (and operating system) can run kernels of `isa`. The first call asks Linux for the tiles of
/// AMX, for the whole process.
bool ck_isa_supported(ck_isa isa);
/// Whether what is expanded as it is loaded, alike under every instruction set, may use AVX2.
bool ck_expands_wide(void);
/// Whether this processor multiplies pairs of bf16 numbers (AVX-512 BF16).
bool ck_multiplies_pairs(void);
/// The fastest supported one.
ck_isa ck_isa_best(void);
#endif
