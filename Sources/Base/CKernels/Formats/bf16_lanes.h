// bf16 in registers: halves of pairs, shifted or masked into fp32's place.
#define bf16_is_exceptional(p, bytes) false
#define bf16_scale_is_plain(p) true
#define bf16_DIRECT_ROWS (2 * MAX_DIRECT_ROWS)
#define bf16_TILE_ROWS MAX_DIRECT_ROWS

INLINE_OP v16 bf16_scale_row(const uint8_t *p) {
  (void)p;
  return v16_zero();
}

#if defined(V16_AVX2)
// The even or odd halves of eight pairs of bf16.
INLINE_OP __m256 bf16_values(__m256i pairs, int odd) {
  return _mm256_castsi256_ps(odd ? _mm256_and_si256(pairs, _mm256_set1_epi32((int)0xFFFF0000))
                                 : _mm256_slli_epi32(pairs, 16));
}
INLINE_OP v16 bf16_weight(const uint8_t *pair, int odd, v16 scale) {
  (void)scale;
  return v16_of(bf16_values(_mm256_loadu_si256((const __m256i *)pair), odd),
                bf16_values(_mm256_loadu_si256((const __m256i *)(pair + 32)), odd));
}
#elif defined(V16_AVX512)
INLINE_OP v16 bf16_weight(const uint8_t *pair, int odd, v16 scale) {
  (void)scale;
  const __m512i both = _mm512_loadu_si512(pair);
  return _mm512_castsi512_ps(odd ? _mm512_and_si512(both, _mm512_set1_epi32((int)0xFFFF0000))
                                 : _mm512_slli_epi32(both, 16));
}
#elif defined(V16_NEON)
// bf16 in two registers of eight.
INLINE_OP v16 bf16_values(uint16x8_t low, uint16x8_t high) {
  v16 v;
  v.q[0] = vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(low), 16));
  v.q[1] = vreinterpretq_f32_u32(vshll_high_n_u16(low, 16));
  v.q[2] = vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(high), 16));
  v.q[3] = vreinterpretq_f32_u32(vshll_high_n_u16(high, 16));
  return v;
}
// The even or odd halves of sixteen pairs of bf16.
INLINE_OP v16 bf16_halves(v16 pairs, int odd) {
  QUARTERS {
    const uint32x4_t bits = vreinterpretq_u32_f32(pairs.q[i]);
    pairs.q[i] = vreinterpretq_f32_u32(odd ? vandq_u32(bits, vdupq_n_u32(0xFFFF0000)) : vshlq_n_u32(bits, 16));
  }
  return pairs;
}
INLINE_OP v16 bf16_weight(const uint8_t *pair, int odd, v16 scale) {
  (void)scale;
  return bf16_halves(v16_load((const float *)(const void *)pair), odd);
}
#endif
