// Detection of instruction sets, from the processor and the operating system (who must save wide registers).
#include "Matmul/matmul_internal.h"

enum {
  KNOWN = 1,
  HAS_AVX2 = 2,
  HAS_AVX512 = 4,
  HAS_INT8_DOT = 8,
  HAS_BF16_DOT = 16,
  HAS_INT8_TILES = 32,
  HAS_NEON = 64,
  HAS_INT8_MATRICES = 128,
  HAS_BYTE_PERMUTES = 256,
};

// What each instruction set is called, and all that it needs.
static const struct {
  const char *name;
  int needs;
} sets[CK_ISA_COUNT] = {
    [CK_ISA_REFERENCE] = {"reference", 0},    [CK_ISA_AVX2] = {"avx2", HAS_AVX2},
    [CK_ISA_AVX512] = {"avx512", HAS_AVX512}, [CK_ISA_AMX] = {"amx", HAS_AVX512 | HAS_INT8_DOT | HAS_INT8_TILES},
    [CK_ISA_NEON] = {"neon", HAS_NEON},       [CK_ISA_I8MM] = {"i8mm", HAS_NEON | HAS_INT8_DOT | HAS_INT8_MATRICES},
};

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

static uint64_t enabled_state(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return ((uint64_t)high << 32) | low;
}

// Linux lends a process the 8 KiB of tiles once it asks (arch_prctl(2), ARCH_REQ_XCOMP_PERM), all its threads together.
// It refuses where a thread's alternative stack for signals has no room for them.
static bool tiles_are_lent(void) {
#if defined(__linux__)
  const long request = 0x1023, tile_data = 18;
  return syscall(SYS_arch_prctl, request, tile_data) == 0;
#else
  return false;
#endif
}

// Bit positions: Intel SDM volume 2, CPUID leaves 1 and 7; XCR0 in volume 1, chapters 13 and 18.
static int detect(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  const uint32_t fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29;
  const uint32_t needed = fma | osxsave | avx | f16c;
  if ((c & needed) != needed) return 0;
  const uint64_t state = enabled_state();
  const uint64_t ymm_state = 0x6, zmm_state = 0xE6, tile_state = 0x60000;
  if ((state & ymm_state) != ymm_state) return 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
  const uint32_t avx2 = 1u << 5;
  const uint32_t avx512 = (1u << 16) | (1u << 17) | (1u << 30) | (1u << 31);  // F, DQ, BW, VL
  const uint32_t tiles = (1u << 24) | (1u << 25);                             // AMX-TILE, AMX-INT8
  if ((b & avx2) == 0) return 0;
  if ((b & avx512) != avx512 || (state & zmm_state) != zmm_state) return HAS_AVX2;
  int found = HAS_AVX2 | HAS_AVX512 | (c & 1u << 11 ? HAS_INT8_DOT : 0);
  if ((c & 1u << 1) != 0) found |= HAS_BYTE_PERMUTES;
  if ((d & tiles) == tiles && (state & tile_state) == tile_state && tiles_are_lent()) found |= HAS_INT8_TILES;
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 5) != 0) found |= HAS_BF16_DOT;
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
    found |= detect();
#elif defined(__aarch64__)
    found |= HAS_NEON;
#if defined(__linux__)
    found |= getauxval(AT_HWCAP) & HWCAP_ASIMDDP ? HAS_INT8_DOT : 0;
    found |= getauxval(AT_HWCAP2) & HWCAP2_I8MM ? HAS_INT8_MATRICES : 0;
#endif
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

bool ck_multiplies_pairs(void) { return ck_features().bf16_dot; }

const char *ck_isa_name(ck_isa isa) { return (unsigned)isa < CK_ISA_COUNT ? sets[isa].name : NULL; }

bool ck_isa_supported(ck_isa isa) {
  return (unsigned)isa < CK_ISA_COUNT && (found() & sets[isa].needs) == sets[isa].needs;
}

bool ck_expands_wide(void) { return ck_isa_supported(CK_ISA_AVX2); }

ck_isa ck_isa_best(void) {
  unsigned best = CK_ISA_COUNT - 1;
  while (!ck_isa_supported((ck_isa)best)) best--;
  return (ck_isa)best;
}
