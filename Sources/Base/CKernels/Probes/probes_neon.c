// Probes on Advanced SIMD.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "probes_internal.h"

typedef uint64x2_t words;
typedef float32x4_t lanes;
#define SPLAT_WORD(w) vdupq_n_u64(w)
#define LOAD_WORDS(p) vreinterpretq_u64_u8(vld1q_u8(p))
#define ADD_WORDS(a, b) vaddq_u64(a, b)
static inline uint64_t words_sum(words v) { return vaddvq_u64(v); }
#define SPLAT(f) vdupq_n_f32(f)
#define MULTIPLY_ADD(a, b, c) vfmaq_f32(c, a, b)
#define KEEP(v) __asm__ volatile("" ::"w"(v))
#define CHAINS 24
#define READ_NAME ck_probe_read_neon
#define FMA_NAME ck_probe_fma_neon
#include "probes_kernel.inc"
#endif
