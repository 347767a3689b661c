// What the int8 matmuls of Advanced SIMD share: sixteen int32 lanes and four columns of sixteen rows in four registers.
#include "v16_neon.h"

typedef struct {
  int32x4_t q[4];
} i16;
typedef struct {
  int8x16_t q[4];
} w64;

// Levels are signed here as they are: their sums begin at zero.
INLINE_OP i16 i16_set(int32_t sum) {
  i16 v;
  QUARTERS v.q[i] = vdupq_n_s32(sum);
  return v;
}
INLINE_OP i16 i16_start(const int16_t *sums) {
  (void)sums;
  return i16_set(0);
}
INLINE_OP i16 i16_after(i16 sum, i16 other) {
  (void)other;
  return sum;
}
INLINE_OP v16 i16_to_v16(i16 sum) {
  v16 v;
  QUARTERS v.q[i] = vcvtq_f32_s32(sum.q[i]);
  return v;
}
INLINE_OP w64 w64_load(const uint8_t *p) {
  w64 w;
  QUARTERS w.q[i] = vld1q_s8((const int8_t *)p + 16 * i);
  return w;
}
INLINE_OP void w64_store(uint8_t *p, w64 w) { QUARTERS vst1q_s8((int8_t *)p + 16 * i, w.q[i]); }
INLINE_OP v16 scale_bytes(const uint8_t *p) {
  const uint8x16_t bytes = vld1q_u8(p);
  const uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_high_u8(bytes);
  const uint32x4_t wide[4] = {vmovl_u16(vget_low_u16(low)), vmovl_high_u16(low), vmovl_u16(vget_low_u16(high)),
                              vmovl_high_u16(high)};
  v16 v;
  QUARTERS v.q[i] = vreinterpretq_f32_u32(vaddq_u32(vshlq_n_u32(wide[i], 19), vdupq_n_u32(0x38000000)));
  return v;
}
INLINE_OP w64 w64_lowered(w64 w, const int by) {
  QUARTERS w.q[i] = vsubq_s8(w.q[i], vdupq_n_s8((int8_t)by));
  return w;
}
INLINE_OP i16 i16_load(const int32_t *p) {
  i16 v;
  QUARTERS v.q[i] = vld1q_s32(p + 4 * i);
  return v;
}
