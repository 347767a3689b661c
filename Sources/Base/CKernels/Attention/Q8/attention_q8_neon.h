// What both attentions over a q8 cache of Advanced SIMD share. `i_dot_key` is the file's own.
#include "attention_q8.h"

#define KEY_ROWS 4
#define KEY_VECTORS 2
#define VALUE_ROWS 4
#define VALUE_VECTORS 4
#define KEY_BIAS 0

typedef int32x4_t vi;
typedef int8x16_t vb;

INLINE vi i_set(int32_t x) { return vdupq_n_s32(x); }
INLINE vf i_float(vi x) { return vcvtq_f32_s32(x); }
INLINE vb b_set(int32_t four) { return vreinterpretq_s8_s32(vdupq_n_s32(four)); }
INLINE vb b_load(const void *p) { return vld1q_s8(p); }
INLINE void b_store(void *p, vb b) { vst1q_s8(p, b); }
INLINE vi i_dot_key(vi sum, vb key, vb query);
INLINE vi i_dot_value(vi sum, vb weight, vb value) { return i_dot_key(sum, weight, value); }
INLINE void b_store_levels(uint8_t *p, vf x) {
  const uint16x4_t words = vreinterpret_u16_s16(vmovn_s32(vcvtnq_s32_f32(x)));
  const uint8x8_t bytes = vmovn_u16(vcombine_u16(words, words));
  const uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
  memcpy(p, &four, sizeof four);
}
/// Sixteen bytes, as four by four, transposed.
INLINE vb b_transposed(vb b) {
  static const uint8_t order[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  return vqtbl1q_s8(b, vld1q_u8(order));
}

/// Units of four elements by four positions, those of the same elements next to each other.
static void lay_keys(const uint8_t *from, size_t width, uint8_t *to) {
  for (size_t at = 0; at < CK_ATTENTION_TILE / 4; ++at) {
    for (size_t d = 0; d < width; d += 4, from += 16) b_store(to + d * 32 + at * 16, b_load(from));
  }
}
