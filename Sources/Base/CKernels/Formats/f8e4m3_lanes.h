// FP8 E4M3 in registers, by way of f16 (whose exponent's bias is 8 more): exponent and fraction go to its place; of the
// copies of the sign the mask keeps the top one. The values are 2^-8 times too small, which the scales make up for. No
// subnormal fp32 arises, which would be slow to multiply. Of NaN, and of scales so large that scale * 2^8 overflows,
// the result is wrong: f8e4m3_is_exceptional and f8e4m3_scale_is_plain find them.
#define f8e4m3_DIRECT_ROWS MAX_DIRECT_ROWS
#define f8e4m3_TILE_ROWS MAX_DIRECT_ROWS

#if defined(V16_AVX2)
INLINE_OP v16 f8e4m3_scale_row(const uint8_t *p) {
  const __m256 factor = _mm256_set1_ps(0x1p8f);
  return v16_multiply(v16_load((const float *)(const void *)p), v16_of(factor, factor));
}
INLINE_OP v16 f8_values(const uint8_t *p) {
  const __m256i words = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)), 7);
  const __m256i halves = _mm256_and_si256(words, _mm256_set1_epi16((short)0xBF80));
  return v16_of(_mm256_cvtph_ps(_mm256_castsi256_si128(halves)), _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1)));
}
// NaN is 0x7F or 0xFF: the greatest byte, read as signed or as unsigned.
INLINE_OP bool f8e4m3_is_exceptional(const uint8_t *p, size_t bytes) {
  __m256i greatest = _mm256_setzero_si256(), greatest_unsigned = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 32 <= bytes; i += 32) {
    const __m256i v = _mm256_loadu_si256((const __m256i *)(p + i));
    greatest = _mm256_max_epi8(greatest, v);
    greatest_unsigned = _mm256_max_epu8(greatest_unsigned, v);
  }
  if (i < bytes) {
    const __m256i v = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(p + i)));
    const __m256i tail = _mm256_inserti128_si256(v, _mm_setzero_si128(), 1);
    greatest = _mm256_max_epi8(greatest, tail);
    greatest_unsigned = _mm256_max_epu8(greatest_unsigned, tail);
  }
  const __m256i found = _mm256_or_si256(_mm256_cmpeq_epi8(greatest, _mm256_set1_epi8(0x7F)),
                                        _mm256_cmpeq_epi8(greatest_unsigned, _mm256_set1_epi8(-1)));
  return _mm256_movemask_epi8(found) != 0;
}
INLINE_OP bool f8e4m3_scale_is_plain(const uint8_t *p) {
  const v16 scale = v16_load((const float *)(const void *)p);
  const __m256 sign = _mm256_set1_ps(-0.0f), limit = _mm256_set1_ps(0x1p119f);
  const __m256 low = _mm256_cmp_ps(_mm256_andnot_ps(sign, scale.low), limit, _CMP_LT_OQ);
  const __m256 high = _mm256_cmp_ps(_mm256_andnot_ps(sign, scale.high), limit, _CMP_LT_OQ);
  return _mm256_movemask_ps(_mm256_and_ps(low, high)) == 0xFF;
}
#elif defined(V16_AVX512)
INLINE_OP v16 f8e4m3_scale_row(const uint8_t *p) { return _mm512_mul_ps(_mm512_loadu_ps(p), _mm512_set1_ps(0x1p8f)); }
INLINE_OP v16 f8_values(const uint8_t *p) {
  const __m256i words = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)), 7);
  return _mm512_cvtph_ps(_mm256_and_si256(words, _mm256_set1_epi16((short)0xBF80)));
}
// NaN is 0x7F or 0xFF: the greatest byte, read as signed or as unsigned.
INLINE_OP bool f8e4m3_is_exceptional(const uint8_t *p, size_t bytes) {
  __m512i greatest = _mm512_setzero_si512(), greatest_unsigned = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + 64 <= bytes; i += 64) {
    const __m512i v = _mm512_loadu_si512(p + i);
    greatest = _mm512_max_epi8(greatest, v);
    greatest_unsigned = _mm512_max_epu8(greatest_unsigned, v);
  }
  if (i < bytes) {
    const __m512i v = _mm512_maskz_loadu_epi8((1ull << (bytes - i)) - 1, p + i);
    greatest = _mm512_max_epi8(greatest, v);
    greatest_unsigned = _mm512_max_epu8(greatest_unsigned, v);
  }
  return (_mm512_cmpeq_epi8_mask(greatest, _mm512_set1_epi8(0x7F)) |
          _mm512_cmpeq_epi8_mask(greatest_unsigned, _mm512_set1_epi8(-1))) != 0;
}
INLINE_OP bool f8e4m3_scale_is_plain(const uint8_t *p) {
  return _mm512_cmp_ps_mask(_mm512_abs_ps(_mm512_loadu_ps(p)), _mm512_set1_ps(0x1p119f), _CMP_LT_OQ) == 0xFFFF;
}
#elif defined(V16_NEON)
INLINE_OP v16 f8e4m3_scale_row(const uint8_t *p) {
  v16 scale = v16_load((const float *)(const void *)p);
  QUARTERS scale.q[i] = vmulq_n_f32(scale.q[i], 0x1p8f);
  return scale;
}
INLINE_OP v16 f8_values(const uint8_t *p) {
  const int8x16_t bytes = vld1q_s8((const int8_t *)p);
  const uint16x8_t mask = vdupq_n_u16(0xBF80);
  const uint16x8_t low = vreinterpretq_u16_s16(vshll_n_s8(vget_low_s8(bytes), 7));
  const uint16x8_t high = vreinterpretq_u16_s16(vshll_high_n_s8(bytes, 7));
  return f16_values(vandq_u16(low, mask), vandq_u16(high, mask));
}
// NaN is 0x7F or 0xFF.
INLINE_OP bool f8e4m3_is_exceptional(const uint8_t *p, size_t bytes) {
  uint8x16_t greatest = vdupq_n_u8(0);
  for (size_t i = 0; i < bytes; i += 16) { greatest = vmaxq_u8(greatest, vandq_u8(vld1q_u8(p + i), vdupq_n_u8(0x7F))); }
  return vmaxvq_u8(greatest) == 0x7F;
}
INLINE_OP bool f8e4m3_scale_is_plain(const uint8_t *p) {
  const v16 scale = v16_load((const float *)(const void *)p);
  uint32x4_t plain = vdupq_n_u32(~0u);
  QUARTERS plain = vandq_u32(plain, vcltq_f32(vabsq_f32(scale.q[i]), vdupq_n_f32(0x1p119f)));
  return vminvq_u32(plain) != 0;
}
#endif

INLINE_OP v16 f8e4m3_weight(const uint8_t *pair, int odd, v16 scale) {
  return v16_multiply(f8_values(pair + 16 * odd), scale);
}
