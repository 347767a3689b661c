// Matmul on Armv8-A Advanced SIMD: four registers are the sixteen lanes.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "matmul_internal.h"

#pragma STDC FP_CONTRACT OFF

#include "v16_neon.h"

// Sixteen bytes, zero-extended.
INLINE_OP void bytes_to_lanes(uint8x16_t bytes, uint32x4_t lanes[4]) {
  const uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_high_u8(bytes);
  lanes[0] = vmovl_u16(vget_low_u16(low));
  lanes[1] = vmovl_high_u16(low);
  lanes[2] = vmovl_u16(vget_low_u16(high));
  lanes[3] = vmovl_high_u16(high);
}

INLINE_OP v16 scale_row(ck_format format, const uint8_t *p) {
  if (format == CK_F8E4M3) {
    v16 scale = v16_load((const float *)(const void *)p);
    QUARTERS scale.q[i] = vmulq_n_f32(scale.q[i], 0x1p8f);
    return scale;
  }
  if (format != CK_MXFP4) return v16_zero();
  // E8M0: the byte is the exponent field; 0 is the subnormal 2^-127 and 255 NaN.
  uint32x4_t bits[4];
  bytes_to_lanes(vld1q_u8(p), bits);
  v16 scale;
  QUARTERS {
    uint32x4_t value = vshlq_n_u32(bits[i], 23);
    value = vbslq_u32(vceqzq_u32(bits[i]), vdupq_n_u32(0x00400000), value);
    value = vbslq_u32(vceqq_u32(bits[i], vdupq_n_u32(255)), vdupq_n_u32(0x7FC00000), value);
    scale.q[i] = vreinterpretq_f32_u32(value);
  }
  return scale;
}

// bf16 in two registers of eight.
INLINE_OP v16 bf16_values(uint16x8_t low, uint16x8_t high) {
  v16 v;
  v.q[0] = vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(low), 16));
  v.q[1] = vreinterpretq_f32_u32(vshll_high_n_u16(low, 16));
  v.q[2] = vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(high), 16));
  v.q[3] = vreinterpretq_f32_u32(vshll_high_n_u16(high, 16));
  return v;
}

// f16 in two registers of eight.
INLINE_OP v16 f16_values(uint16x8_t low, uint16x8_t high) {
  const float16x8_t low_halves = vreinterpretq_f16_u16(low), high_halves = vreinterpretq_f16_u16(high);
  v16 v;
  v.q[0] = vcvt_f32_f16(vget_low_f16(low_halves));
  v.q[1] = vcvt_high_f32_f16(low_halves);
  v.q[2] = vcvt_f32_f16(vget_low_f16(high_halves));
  v.q[3] = vcvt_high_f32_f16(high_halves);
  return v;
}

// Sixteen F8E4M3 bytes to their values times 2^-8, by way of f16 (whose exponent's bias is 8 more): exponent and
// fraction go to its place; of the copies of the sign the mask keeps the top one.
INLINE_OP v16 f8_values(const uint8_t *p) {
  const int8x16_t bytes = vld1q_s8((const int8_t *)p);
  const uint16x8_t mask = vdupq_n_u16(0xBF80);
  const uint16x8_t low = vreinterpretq_u16_s16(vshll_n_s8(vget_low_s8(bytes), 7));
  const uint16x8_t high = vreinterpretq_u16_s16(vshll_high_n_s8(bytes, 7));
  return f16_values(vandq_u16(low, mask), vandq_u16(high, mask));
}

// Nibbles to E2M1 values, by way of bf16, whose two bytes are looked up.
INLINE_OP v16 fp4_values(uint8x16_t nibbles) {
  static const uint8_t top[16] = {0x00, 0x3F, 0x3F, 0x3F, 0x40, 0x40, 0x40, 0x40,
                                  0x80, 0xBF, 0xBF, 0xBF, 0xC0, 0xC0, 0xC0, 0xC0};
  static const uint8_t bottom[16] = {0x00, 0x00, 0x80, 0xC0, 0x00, 0x40, 0x80, 0xC0,
                                     0x00, 0x00, 0x80, 0xC0, 0x00, 0x40, 0x80, 0xC0};
  const uint8x16_t high = vqtbl1q_u8(vld1q_u8(top), nibbles), low = vqtbl1q_u8(vld1q_u8(bottom), nibbles);
  return bf16_values(vreinterpretq_u16_u8(vzip1q_u8(low, high)), vreinterpretq_u16_u8(vzip2q_u8(low, high)));
}

// The even or odd halves of sixteen pairs of bf16.
INLINE_OP v16 bf16_halves(v16 pairs, int odd) {
  QUARTERS {
    const uint32x4_t bits = vreinterpretq_u32_f32(pairs.q[i]);
    pairs.q[i] = vreinterpretq_f32_u32(odd ? vandq_u32(bits, vdupq_n_u32(0xFFFF0000)) : vshlq_n_u32(bits, 16));
  }
  return pairs;
}
INLINE_OP v16 v16_dot2(v16 a, v16 b, v16 c) {
  c = v16_fma(bf16_halves(a, 1), bf16_halves(b, 1), c);
  return v16_fma(bf16_halves(a, 0), bf16_halves(b, 0), c);
}

INLINE_OP v16 weight(ck_format format, const uint8_t *pair, int odd, v16 scale) {
  switch (format) {
    case CK_F32: return v16_load((const float *)(const void *)(pair + 64 * odd));
    case CK_BF16: return bf16_halves(v16_load((const float *)(const void *)pair), odd);
    case CK_F16: {
      const uint8_t *p = pair + 32 * odd;
      return f16_values(vreinterpretq_u16_u8(vld1q_u8(p)), vreinterpretq_u16_u8(vld1q_u8(p + 16)));
    }
    case CK_F8E4M3: return v16_multiply(f8_values(pair + 16 * odd), scale);
    case CK_MXFP4: {
      const uint8x16_t bytes = vld1q_u8(pair);
      return v16_multiply(fp4_values(odd ? vshrq_n_u8(bytes, 4) : vandq_u8(bytes, vdupq_n_u8(15))), scale);
    }
    default: return v16_zero();
  }
}

// NaN is 0x7F or 0xFF.
INLINE_OP bool f8_has_nan(const uint8_t *p, size_t bytes) {
  uint8x16_t greatest = vdupq_n_u8(0);
  for (size_t i = 0; i < bytes; i += 16) { greatest = vmaxq_u8(greatest, vandq_u8(vld1q_u8(p + i), vdupq_n_u8(0x7F))); }
  return vmaxvq_u8(greatest) == 0x7F;
}

INLINE_OP bool f8_scale_is_plain(const uint8_t *p) {
  const v16 scale = v16_load((const float *)(const void *)p);
  uint32x4_t plain = vdupq_n_u32(~0u);
  QUARTERS plain = vandq_u32(plain, vcltq_f32(vabsq_f32(scale.q[i]), vdupq_n_f32(0x1p119f)));
  return vminvq_u32(plain) != 0;
}

// Panels at once by rows: enough chains to hide a fused multiply-add's latency, in 32 registers.
#define ROWS_CASES(DO) DO(1, 4) DO(2, 2) DO(3, 1) DO(4, 1) DO(5, 1) DO(6, 1)
#define MAX_DIRECT_ROWS 6
#define MAX_MXFP4_ROWS 6
#define EXPANDED_PANELS 1
#define KERNEL_NAME ck_matmul_neon
#define PAIRS_KERNEL_NAME ck_bf16_neon
// FZ, bit 24 of FPCR, flushes operands and results.
#define PAIRS_BEGIN                                 \
  uint64_t control;                                 \
  __asm__ volatile("mrs %0, fpcr" : "=r"(control)); \
  __asm__ volatile("msr fpcr, %0" ::"r"(control | 1u << 24));
#define PAIRS_END __asm__ volatile("msr fpcr, %0" ::"r"(control));
#include "matmul_kernel.inc"
#endif
