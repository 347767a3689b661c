// IEEE half precision in registers, by the instructions made for it.
#define f16_is_exceptional(p, bytes) false
#define f16_scale_is_plain(p) true
#define f16_DIRECT_ROWS (2 * MAX_DIRECT_ROWS)
#define f16_TILE_ROWS MAX_DIRECT_ROWS

INLINE_OP v16 f16_scale_row(const uint8_t *p) {
  (void)p;
  return v16_zero();
}

#if defined(V16_AVX2)
INLINE_OP v16 f16_weight(const uint8_t *pair, int odd, v16 scale) {
  (void)scale;
  return v16_of(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(pair + 32 * odd))),
                _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(pair + 32 * odd + 16))));
}
#elif defined(V16_AVX512)
INLINE_OP v16 f16_weight(const uint8_t *pair, int odd, v16 scale) {
  (void)scale;
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(pair + 32 * odd)));
}
#elif defined(V16_NEON)
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
INLINE_OP v16 f16_weight(const uint8_t *pair, int odd, v16 scale) {
  (void)scale;
  const uint8_t *p = pair + 32 * odd;
  return f16_values(vreinterpretq_u16_u8(vld1q_u8(p)), vreinterpretq_u16_u8(vld1q_u8(p + 16)));
}
#endif
