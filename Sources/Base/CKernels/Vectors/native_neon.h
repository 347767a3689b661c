// One native vector = four lanes of a 128-bit register; the names are explained in native_avx512.h.
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#ifndef NATIVE_TARGET
#define NATIVE_TARGET "neon"
#endif
#pragma clang attribute push(__attribute__((target(NATIVE_TARGET))), apply_to = function)
#define INLINE static inline __attribute__((always_inline))
#define NATIVE(name) ck_neon_##name
#define LANES 4
#define BLOCK_ROWS 4

typedef float32x4_t vf;
typedef float32x4_t v4;

INLINE vf v_set(float x) { return vdupq_n_f32(x); }
INLINE vf v_load(const float *p) { return vld1q_f32(p); }
INLINE void v_store(float *p, vf v) { vst1q_f32(p, v); }
INLINE vf v_load_first(const float *p, size_t n) {
  if (n >= LANES) return v_load(p);
  float lanes[LANES] = {0, 0, 0, 0};
  for (size_t i = 0; i < n; ++i) lanes[i] = p[i];
  return v_load(lanes);
}
INLINE vf v_load_bf16(const uint16_t *p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }
INLINE vf v_load_first_bf16(const uint16_t *p, size_t n) {
  if (n >= LANES) return v_load_bf16(p);
  uint16_t lanes[LANES] = {0};
  for (size_t i = 0; i < n; ++i) lanes[i] = p[i];
  return v_load_bf16(lanes);
}
INLINE void v_store_first(float *p, vf v, size_t n) {
  if (n >= LANES) {
    v_store(p, v);
    return;
  }
  float lanes[LANES];
  v_store(lanes, v);
  for (size_t i = 0; i < n; ++i) p[i] = lanes[i];
}
INLINE vf v_keep_first(vf v, size_t n) {
  if (n >= LANES) return v;
  float lanes[LANES];
  v_store(lanes, v);
  return v_load_first(lanes, n);
}
INLINE vf v_add(vf a, vf b) { return vaddq_f32(a, b); }
INLINE vf v_subtract(vf a, vf b) { return vsubq_f32(a, b); }
INLINE vf v_multiply(vf a, vf b) { return vmulq_f32(a, b); }
INLINE vf v_divide(vf a, vf b) { return vdivq_f32(a, b); }
INLINE vf v_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
INLINE vf v_fnma(vf a, vf b, vf c) { return vfmsq_f32(c, a, b); }
INLINE vf v_max(vf a, vf b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
INLINE vf v_min(vf a, vf b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
INLINE vf v_negate(vf a) { return vnegq_f32(a); }
INLINE vf v_take_nan(vf v, vf x) { return vbslq_f32(vceqq_f32(x, x), v, x); }
INLINE vf v_power_of_two(int32x4_t n) { return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23)); }
INLINE vf v_scale(vf y, vf rounded) {
  const int32x4_t n = vsubq_s32(vreinterpretq_s32_f32(rounded), vdupq_n_s32(0x4b400000));
  const int32x4_t half = vshrq_n_s32(n, 1);
  return v_multiply(v_multiply(y, v_power_of_two(half)), v_power_of_two(vsubq_s32(n, half)));
}
INLINE vf v_swap_pairs(vf x) { return vrev64q_f32(x); }
INLINE vf v_double_low(vf x) { return vzip1q_f32(x, x); }
INLINE vf v_double_high(vf x) { return vzip2q_f32(x, x); }
INLINE vf v_negate_even(vf x) {
  return vreinterpretq_f32_u64(veorq_u64(vreinterpretq_u64_f32(x), vdupq_n_u64(0x80000000)));
}
INLINE float v_largest(vf v) { return vmaxvq_f32(v); }
INLINE v4 v_fold(const vf *lanes) { return v_add(v_add(lanes[0], lanes[2]), v_add(lanes[1], lanes[3])); }
/// The last two halvings of four folded lane sums: l += l+2, then l += l+1; one result a lane.
INLINE v4 v4_sums(v4 a, v4 b, v4 c, v4 d) {
  const v4 ab = v_add(vcombine_f32(vget_low_f32(a), vget_low_f32(b)), vcombine_f32(vget_high_f32(a), vget_high_f32(b)));
  const v4 cd = v_add(vcombine_f32(vget_low_f32(c), vget_low_f32(d)), vcombine_f32(vget_high_f32(c), vget_high_f32(d)));
  return vpaddq_f32(ab, cd);
}
INLINE float v4_sum(v4 a) {
  const float32x2_t two = vadd_f32(vget_low_f32(a), vget_high_f32(a));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
INLINE v4 v4_multiply(v4 a, float factor) { return vmulq_n_f32(a, factor); }
INLINE void v4_store(float *p, v4 a) { vst1q_f32(p, a); }
