// Attention over a q8 cache on Armv8-A Advanced SIMD: products in int16, added in pairs.
#if defined(__aarch64__)
#include "../../Vectors/native_neon.h"

#include "attention_q8_neon.h"

#define ATTENTION ck_neon_attention_q8

// Two neighbouring products of at most 127 * 128 fit an int16 only one at a time: they are added as int32.
INLINE vi i_dot_key(vi sum, vb key, vb query) {
  const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(key), vget_low_s8(query)));
  return vaddq_s32(sum, vpaddq_s32(low, vpaddlq_s16(vmull_high_s8(key, query))));
}

#include "attention_q8_template.h"
#pragma clang attribute pop
#else
typedef int ck_no_attention_q8_neon_here;
#endif
