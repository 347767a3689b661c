// Detection of instruction sets, from the processor and the operating system (who must save wide registers).
#include "matmul_internal.h"

enum { KNOWN = 1, HAS_AVX2 = 2, HAS_AVX512 = 4, HAS_INT8_DOT = 8, HAS_BF16_DOT = 16, HAS_BYTE_PERMUTES = 32 };

#if defined(__x86_64__)
#include <cpuid.h>

typedef struct {
  bool avx2;
  bool avx512;
  bool vnni;
  bool bf16;
  bool vbmi;
} ck_x86_features;

static uint64_t enabled_state(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return ((uint64_t)high << 32) | low;
}

// Bit positions: Intel SDM volume 2, CPUID leaves 1 and 7; XCR0 in volume 1, chapter 13.
static ck_x86_features detect(void) {
  ck_x86_features none = {.avx2 = false};
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return none;
  const uint32_t fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29;
  const uint32_t needed = fma | osxsave | avx | f16c;
  if ((c & needed) != needed) return none;
  const uint64_t state = enabled_state();
  const uint64_t ymm_state = 0x6, zmm_state = 0xE6;
  if ((state & ymm_state) != ymm_state) return none;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return none;
  const uint32_t avx2 = 1u << 5;
  const uint32_t avx512 = (1u << 16) | (1u << 17) | (1u << 30) | (1u << 31);  // F, DQ, BW, VL
  ck_x86_features found = {.avx2 = (b & avx2) != 0, .avx512 = false};
  found.avx512 = found.avx2 && (b & avx512) == avx512 && (state & zmm_state) == zmm_state;
  found.vnni = found.avx512 && (c & 1u << 11) != 0;
  found.vbmi = found.avx512 && (c & 1u << 1) != 0;
  found.bf16 = found.avx512 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 5) != 0;
  return found;
}
#endif

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

// CPUID takes tens of microseconds in a virtual machine: detected once. Two threads that do so at once find the same.
static int found(void) {
  static _Atomic int known;
  int found = known;
  if (found == 0) {
    found = KNOWN;
#if defined(__x86_64__)
    const ck_x86_features features = detect();
    found |= (features.avx2 ? HAS_AVX2 : 0) | (features.avx512 ? HAS_AVX512 : 0) | (features.vnni ? HAS_INT8_DOT : 0) |
             (features.bf16 ? HAS_BF16_DOT : 0) | (features.vbmi ? HAS_BYTE_PERMUTES : 0);
#elif defined(__aarch64__) && defined(__linux__)
    found |= getauxval(AT_HWCAP) & HWCAP_ASIMDDP ? HAS_INT8_DOT : 0;
#endif
    known = found;
  }
  return found;
}

ck_feature_set ck_features(void) {
  const ck_feature_set set = {.int8_dot = (found() & HAS_INT8_DOT) != 0,
                              .bf16_dot = (found() & HAS_BF16_DOT) != 0,
                              .byte_permutes = (found() & HAS_BYTE_PERMUTES) != 0};
  return set;
}

bool ck_isa_supported(ck_isa isa) {
  switch (isa) {
    case CK_ISA_REFERENCE: return true;
#if defined(__x86_64__)
    case CK_ISA_AVX2: return (found() & HAS_AVX2) != 0;
    case CK_ISA_AVX512: return (found() & HAS_AVX512) != 0;
#elif defined(__aarch64__)
    case CK_ISA_NEON: return true;
#endif
    default: return false;
  }
}

ck_isa ck_isa_best(void) {
  if (ck_isa_supported(CK_ISA_AVX512)) return CK_ISA_AVX512;
  if (ck_isa_supported(CK_ISA_AVX2)) return CK_ISA_AVX2;
  if (ck_isa_supported(CK_ISA_NEON)) return CK_ISA_NEON;
  return CK_ISA_REFERENCE;
}
