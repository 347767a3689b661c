// MXFP4 in registers: nibbles are looked up in a table of E2M1's values.
#define mxfp4_is_exceptional(p, bytes) false
#define mxfp4_scale_is_plain(p) true
#define mxfp4_DIRECT_ROWS MAX_DIRECT_ROWS

#if defined(V16_AVX2)
// The most rows for which tables and scales fit beside the sums.
#define mxfp4_TILE_ROWS 4

// Eight bytes, zero-extended.
INLINE_OP __m256i bytes_to_lanes(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)); }

// E8M0: the byte is the exponent field; 0 is the subnormal 2^-127 and 255 NaN.
INLINE_OP __m256 e8m0_values(const uint8_t *p) {
  const __m256i bits = bytes_to_lanes(p);
  const __m256i is_zero = _mm256_cmpeq_epi32(bits, _mm256_setzero_si256());
  const __m256i is_nan = _mm256_cmpeq_epi32(bits, _mm256_set1_epi32(255));
  __m256i value = _mm256_slli_epi32(bits, 23);
  value = _mm256_blendv_epi8(value, _mm256_set1_epi32(0x00400000), is_zero);
  value = _mm256_blendv_epi8(value, _mm256_set1_epi32(0x7FC00000), is_nan);
  return _mm256_castsi256_ps(value);
}
INLINE_OP v16 mxfp4_scale_row(const uint8_t *p) { return v16_of(e8m0_values(p), e8m0_values(p + 8)); }

// The low nibbles of each lane to E2M1 values. The permutation looks at three bits; `signs` holds the fourth on top.
INLINE_OP __m256 fp4_values(__m256i nibbles, __m256i signs) {
  const __m256 magnitudes = _mm256_setr_ps(0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f);
  const __m256 sign = _mm256_and_ps(_mm256_castsi256_ps(signs), _mm256_set1_ps(-0.0f));
  return _mm256_or_ps(_mm256_permutevar8x32_ps(magnitudes, nibbles), sign);
}
INLINE_OP __m256 fp4_half(const uint8_t *p, int odd) {
  const __m256i bytes = bytes_to_lanes(p);
  return odd ? fp4_values(_mm256_srli_epi32(bytes, 4), _mm256_slli_epi32(bytes, 24))
             : fp4_values(bytes, _mm256_slli_epi32(bytes, 28));
}
INLINE_OP v16 mxfp4_weight(const uint8_t *pair, int odd, v16 scale) {
  return v16_multiply(v16_of(fp4_half(pair, odd), fp4_half(pair + 8, odd)), scale);
}
#elif defined(V16_AVX512)
#define mxfp4_TILE_ROWS MAX_DIRECT_ROWS

// E8M0: the byte is the exponent field; 0 is the subnormal 2^-127 and 255 NaN.
INLINE_OP v16 mxfp4_scale_row(const uint8_t *p) {
  const __m512i bits = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
  __m512i value = _mm512_slli_epi32(bits, 23);
  value = _mm512_mask_mov_epi32(value, _mm512_testn_epi32_mask(bits, bits), _mm512_set1_epi32(0x00400000));
  value = _mm512_mask_mov_epi32(value, _mm512_cmpeq_epi32_mask(bits, _mm512_set1_epi32(255)),
                                _mm512_set1_epi32(0x7FC00000));
  return _mm512_castsi512_ps(value);
}

// Nibbles in the low four bits of each lane to E2M1 values; the rest is ignored.
INLINE_OP v16 fp4_values(__m512i nibbles) {
  const __m512 values = _mm512_set_ps(-6.0f, -4.0f, -3.0f, -2.0f, -1.5f, -1.0f, -0.5f, -0.0f, 6.0f, 4.0f, 3.0f, 2.0f,
                                      1.5f, 1.0f, 0.5f, 0.0f);
  return _mm512_permutexvar_ps(nibbles, values);
}
INLINE_OP v16 mxfp4_weight(const uint8_t *pair, int odd, v16 scale) {
  __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)pair));
  // Opaque, or the compiler shifts before it extends, where that takes two instructions.
  __asm__("" : "+v"(bytes));
  return _mm512_mul_ps(fp4_values(odd ? _mm512_srli_epi32(bytes, 4) : bytes), scale);
}
#elif defined(V16_NEON)
#define mxfp4_TILE_ROWS MAX_DIRECT_ROWS

// Sixteen bytes, zero-extended.
INLINE_OP void bytes_to_lanes(uint8x16_t bytes, uint32x4_t lanes[4]) {
  const uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_high_u8(bytes);
  lanes[0] = vmovl_u16(vget_low_u16(low));
  lanes[1] = vmovl_high_u16(low);
  lanes[2] = vmovl_u16(vget_low_u16(high));
  lanes[3] = vmovl_high_u16(high);
}

// E8M0: the byte is the exponent field; 0 is the subnormal 2^-127 and 255 NaN.
INLINE_OP v16 mxfp4_scale_row(const uint8_t *p) {
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

// Nibbles to E2M1 values, by way of bf16, whose two bytes are looked up.
INLINE_OP v16 fp4_values(uint8x16_t nibbles) {
  static const uint8_t top[16] = {0x00, 0x3F, 0x3F, 0x3F, 0x40, 0x40, 0x40, 0x40,
                                  0x80, 0xBF, 0xBF, 0xBF, 0xC0, 0xC0, 0xC0, 0xC0};
  static const uint8_t bottom[16] = {0x00, 0x00, 0x80, 0xC0, 0x00, 0x40, 0x80, 0xC0,
                                     0x00, 0x00, 0x80, 0xC0, 0x00, 0x40, 0x80, 0xC0};
  const uint8x16_t high = vqtbl1q_u8(vld1q_u8(top), nibbles), low = vqtbl1q_u8(vld1q_u8(bottom), nibbles);
  return bf16_values(vreinterpretq_u16_u8(vzip1q_u8(low, high)), vreinterpretq_u16_u8(vzip2q_u8(low, high)));
}
INLINE_OP v16 mxfp4_weight(const uint8_t *pair, int odd, v16 scale) {
  const uint8x16_t bytes = vld1q_u8(pair);
  return v16_multiply(fp4_values(odd ? vshrq_n_u8(bytes, 4) : vandq_u8(bytes, vdupq_n_u8(15))), scale);
}
#endif
