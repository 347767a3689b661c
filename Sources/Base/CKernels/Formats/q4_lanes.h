// Q4 in registers: nibbles are looked up in the table of levels.

INLINE_OP w64 q4_line(const uint8_t *p) { return w64_load(p); }

#if defined(V16_AVX2)
INLINE_OP __m256i q4_levels(__m256i bytes) {
  const __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)ck_q4_level));
  return _mm256_shuffle_epi8(table, _mm256_and_si256(bytes, _mm256_set1_epi8(15)));
}
INLINE_OP w64 q4_part(w64 line, const int part) {
  if (part == 0) return i16_of(q4_levels(line.low), q4_levels(line.high));
  return i16_of(q4_levels(_mm256_srli_epi16(line.low, 4)), q4_levels(_mm256_srli_epi16(line.high, 4)));
}
#elif defined(V16_AVX512)
INLINE_OP w64 q4_levels(__m512i nibbles) {
  const __m128i levels = _mm_loadu_si128((const __m128i *)(const void *)ck_q4_level);
  const __m512i table = _mm512_broadcast_i32x4(_mm_xor_si128(levels, _mm_set1_epi8((char)0x80)));
  return _mm512_shuffle_epi8(table, nibbles);
}
INLINE_OP w64 q4_part(w64 line, const int part) {
  if (part == 0) return q4_levels(_mm512_and_si512(line, _mm512_set1_epi8(15)));
  return q4_levels(_mm512_and_si512(_mm512_srli_epi16(line, 4), _mm512_set1_epi8(15)));
}
#elif defined(V16_NEON)
INLINE_OP w64 q4_part(w64 line, const int part) {
  const int8x16_t table = vld1q_s8(ck_q4_level);
  QUARTERS {
    const uint8x16_t bytes = vreinterpretq_u8_s8(line.q[i]);
    line.q[i] = vqtbl1q_s8(table, part == 0 ? vandq_u8(bytes, vdupq_n_u8(15)) : vshrq_n_u8(bytes, 4));
  }
  return line;
}
#endif
