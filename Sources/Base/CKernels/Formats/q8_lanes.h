// Q8 in registers: a byte a column, which is what the other formats of levels are expanded to.

#if defined(V16_AVX2)
INLINE_OP w64 q8_line(const uint8_t *p) {
  const w64 raw = w64_load(p);
  const __m256i bias = _mm256_set1_epi8((char)0x80);
  return i16_of(_mm256_xor_si256(raw.low, bias), _mm256_xor_si256(raw.high, bias));
}
INLINE_OP void q8_store(uint8_t *p, w64 w) {
  const __m256i bias = _mm256_set1_epi8((char)0x80);
  _mm256_storeu_si256((__m256i *)p, _mm256_xor_si256(w.low, bias));
  _mm256_storeu_si256((__m256i *)(p + 32), _mm256_xor_si256(w.high, bias));
}
#elif defined(V16_AVX512)
INLINE_OP w64 q8_line(const uint8_t *p) { return w64_load(p); }
INLINE_OP void q8_store(uint8_t *p, w64 w) { _mm512_storeu_si512(p, w); }
#elif defined(V16_NEON)
INLINE_OP w64 w64_biased(w64 w) {
  QUARTERS w.q[i] = veorq_s8(w.q[i], vdupq_n_s8(-128));
  return w;
}
INLINE_OP w64 q8_line(const uint8_t *p) { return w64_biased(w64_load(p)); }
INLINE_OP void q8_store(uint8_t *p, w64 w) {
  w = w64_biased(w);
  QUARTERS vst1q_s8((int8_t *)p + 16 * i, w.q[i]);
}
#endif

INLINE_OP w64 q8_part(w64 line, const int part) {
  (void)part;
  return line;
}
