// GGUF's blocks in registers, for matmul_int8_kernel.inc: all formats by their geometry, which is a constant wherever
// these are called. Each instruction set has
//
//   w64_bits(w, right, mask)   each byte of w moved right, or left where that is less than 0, and of it the bits
//                              of `mask`
//   w64_or(a, b)
//   w64_levels(table, w)       the levels of indices, as i16_dot wants weights
//   w64_level_bytes(w)         levels + 128 as i16_dot wants weights
//   i16_dot_small(sum, w, x)   i16_dot for weights of 0 to 63
//   ADDS_PAIRS                 whether sums of two products each are added up as int16 first, with
//   pairs_of(w, x)             the products of i16_dot_small, added up by twos: two int16 for each lane
//   pairs_add(a, b)
//   i16_add_pairs(sum, pairs)  lane += both of its int16
//   WIDE_BIAS                  what i16_dot wants weights to have been raised by
//   half_row(p)                sixteen f16
//   bfloat_row(p)              sixteen bf16
//   exponent_row(p)            half of sixteen E8M0
//   unsigned_row(p), signed_row(p)   sixteen bytes
//   sums_of_16(x, sums)        sums of each sixteen of the 64 int8 at x
//   i16_zeros(p, sum)          sixteen bytes times a sum of levels
//   w64_lifts(p)               CK_ZERO_LIFT less the byte of each row at p, at most 31, beside four columns each
//   w64_add(a, b)              bytes

// What codes with zeros are raised by where these have been taken away: none is less than 0 then, and none above 46.
#define CK_ZERO_LIFT 31
#if defined(V16_AVX2)
#define WIDE_BIAS 0
INLINE_OP __m256i half_bits(__m256i w, const int right, const int mask) {
  const __m256i moved = right < 0 ? _mm256_slli_epi16(w, -right) : _mm256_srli_epi16(w, right);
  return _mm256_and_si256(moved, _mm256_set1_epi8((char)mask));
}
INLINE_OP w64 w64_bits(w64 w, const int right, const int mask) {
  return i16_of(half_bits(w.low, right, mask), half_bits(w.high, right, mask));
}
INLINE_OP w64 w64_or(w64 a, w64 b) { return i16_of(_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)); }
INLINE_OP w64 w64_levels(const int8_t *levels, w64 w) {
  const __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)levels));
  return i16_of(_mm256_shuffle_epi8(table, w.low), _mm256_shuffle_epi8(table, w.high));
}
INLINE_OP w64 w64_level_bytes(w64 w) {
  const __m256i bias = _mm256_set1_epi8((char)0x80);
  return i16_of(_mm256_xor_si256(w.low, bias), _mm256_xor_si256(w.high, bias));
}
#define ADDS_PAIRS 1
INLINE_OP i16 pairs_of(w64 w, const uint8_t *x) {
  int32_t four;
  memcpy(&four, x, sizeof four);
  const __m256i broadcast = _mm256_set1_epi32(four);
  return i16_of(_mm256_maddubs_epi16(w.low, broadcast), _mm256_maddubs_epi16(w.high, broadcast));
}
INLINE_OP i16 pairs_add(i16 a, i16 b) {
  return i16_of(_mm256_add_epi16(a.low, b.low), _mm256_add_epi16(a.high, b.high));
}
INLINE_OP i16 i16_add_pairs(i16 sum, i16 pairs) {
  const __m256i ones = _mm256_set1_epi16(1);
  return i16_of(_mm256_add_epi32(sum.low, _mm256_madd_epi16(pairs.low, ones)),
                _mm256_add_epi32(sum.high, _mm256_madd_epi16(pairs.high, ones)));
}
INLINE_OP i16 i16_dot_small(i16 sum, w64 w, const uint8_t *x) { return i16_add_pairs(sum, pairs_of(w, x)); }
INLINE_OP v16 half_row(const uint8_t *p) {
  return v16_of(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
                _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 16))));
}
INLINE_OP __m256 bfloat_half(const uint8_t *p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}
INLINE_OP v16 bfloat_row(const uint8_t *p) { return v16_of(bfloat_half(p), bfloat_half(p + 16)); }
INLINE_OP __m256i unsigned_half(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
INLINE_OP __m256i signed_half(const uint8_t *p) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
// Of the two the larger is right: below 2 the result is subnormal.
INLINE_OP __m256 exponent_half(const uint8_t *p) {
  const __m256i bits = unsigned_half(p);
  const __m256i normal = _mm256_sub_epi32(_mm256_slli_epi32(bits, 23), _mm256_set1_epi32(1 << 23));
  const __m256i small = _mm256_add_epi32(_mm256_slli_epi32(bits, 21), _mm256_set1_epi32(1 << 21));
  return _mm256_castsi256_ps(_mm256_max_epi32(normal, small));
}
INLINE_OP v16 exponent_row(const uint8_t *p) { return v16_of(exponent_half(p), exponent_half(p + 8)); }
INLINE_OP v16 unsigned_row(const uint8_t *p) {
  return v16_of(_mm256_cvtepi32_ps(unsigned_half(p)), _mm256_cvtepi32_ps(unsigned_half(p + 8)));
}
INLINE_OP v16 signed_row(const uint8_t *p) {
  return v16_of(_mm256_cvtepi32_ps(signed_half(p)), _mm256_cvtepi32_ps(signed_half(p + 8)));
}
INLINE_OP void sums_of_16(const uint8_t *x, int32_t *sums) {
  for (size_t half = 0; half < 2; half++) {
    const __m256i levels = _mm256_loadu_si256((const __m256i *)(x + 32 * half));
    __m256i fours = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), levels), _mm256_set1_epi16(1));
    fours = _mm256_add_epi32(fours, _mm256_shuffle_epi32(fours, 0x4E));
    fours = _mm256_add_epi32(fours, _mm256_shuffle_epi32(fours, 0xB1));
    sums[2 * half] = _mm256_cvtsi256_si32(fours);
    sums[2 * half + 1] = _mm256_extract_epi32(fours, 4);
  }
}
INLINE_OP i16 i16_zeros(const uint8_t *p, int32_t sum) {
  const __m256i times = _mm256_set1_epi32(sum);
  return i16_of(_mm256_madd_epi16(unsigned_half(p), times), _mm256_madd_epi16(unsigned_half(p + 8), times));
}
INLINE_OP w64 w64_lifts(const uint8_t *p) {
  const __m128i lifts = _mm_sub_epi8(_mm_set1_epi8(CK_ZERO_LIFT), _mm_loadu_si128((const __m128i *)(const void *)p));
  const __m256i each = _mm256_broadcastsi128_si256(lifts), ones = _mm256_set1_epi32(0x01010101);
  const __m256i low = _mm256_mullo_epi32(ones, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  return i16_of(_mm256_shuffle_epi8(each, low), _mm256_shuffle_epi8(each, _mm256_add_epi8(low, _mm256_set1_epi8(8))));
}
INLINE_OP w64 w64_add(w64 a, w64 b) { return i16_of(_mm256_add_epi8(a.low, b.low), _mm256_add_epi8(a.high, b.high)); }
#elif defined(V16_AVX512)
#define WIDE_BIAS 128
#define ADDS_PAIRS 0
INLINE_OP w64 w64_bits(w64 w, const int right, const int mask) {
  const __m512i moved = right < 0 ? _mm512_slli_epi16(w, (unsigned)-right) : _mm512_srli_epi16(w, (unsigned)right);
  return _mm512_and_si512(moved, _mm512_set1_epi8((char)mask));
}
INLINE_OP w64 w64_or(w64 a, w64 b) { return _mm512_or_si512(a, b); }
INLINE_OP w64 w64_levels(const int8_t *levels, w64 w) {
  const __m128i raised =
      _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)levels), _mm_set1_epi8((char)0x80));
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(raised), w);
}
INLINE_OP w64 w64_level_bytes(w64 w) { return w; }
INLINE_OP i16 i16_dot_small(i16 sum, w64 w, const uint8_t *x) { return i16_dot(sum, w, x); }
INLINE_OP v16 half_row(const uint8_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
INLINE_OP v16 bfloat_row(const uint8_t *p) {
  const __m512i bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
}
INLINE_OP v16 exponent_row(const uint8_t *p) {
  const __m512i bits = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
  // Of the two the larger is right: below 2 the result is subnormal.
  const __m512i normal = _mm512_sub_epi32(_mm512_slli_epi32(bits, 23), _mm512_set1_epi32(1 << 23));
  const __m512i small = _mm512_add_epi32(_mm512_slli_epi32(bits, 21), _mm512_set1_epi32(1 << 21));
  return _mm512_castsi512_ps(_mm512_max_epi32(normal, small));
}
INLINE_OP v16 unsigned_row(const uint8_t *p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
INLINE_OP v16 signed_row(const uint8_t *p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
INLINE_OP void sums_of_16(const uint8_t *x, int32_t *sums) {
  __m512i fours = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), _mm512_loadu_si512(x));
  fours = _mm512_add_epi32(fours, _mm512_shuffle_epi32(fours, 0x4E));
  fours = _mm512_add_epi32(fours, _mm512_shuffle_epi32(fours, 0xB1));
  const __m512i first = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  _mm_storeu_si128((__m128i *)(void *)sums, _mm512_castsi512_si128(_mm512_permutexvar_epi32(first, fours)));
}
INLINE_OP __m512i zeros_of(const uint8_t *p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)); }
// Above a zero is nothing, whatever is above the sum.
INLINE_OP i16 i16_zeros(const uint8_t *p, int32_t sum) {
  return _mm512_madd_epi16(zeros_of(p), _mm512_set1_epi32(sum));
}
INLINE_OP w64 w64_lifts(const uint8_t *p) {
  const __m128i lifts = _mm_sub_epi8(_mm_set1_epi8(CK_ZERO_LIFT), _mm_loadu_si128((const __m128i *)(const void *)p));
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(lifts), _mm512_mullo_epi32(lanes, _mm512_set1_epi32(0x01010101)));
}
INLINE_OP w64 w64_add(w64 a, w64 b) { return _mm512_add_epi8(a, b); }
#elif defined(V16_NEON)
#define WIDE_BIAS 0
#define ADDS_PAIRS 0
INLINE_OP w64 w64_bits(w64 w, const int right, const int mask) {
  QUARTERS {
    const uint8x16_t moved = vshlq_u8(vreinterpretq_u8_s8(w.q[i]), vdupq_n_s8((int8_t)-right));
    w.q[i] = vreinterpretq_s8_u8(vandq_u8(moved, vdupq_n_u8((uint8_t)mask)));
  }
  return w;
}
INLINE_OP w64 w64_or(w64 a, w64 b) {
  QUARTERS a.q[i] = vorrq_s8(a.q[i], b.q[i]);
  return a;
}
INLINE_OP w64 w64_levels(const int8_t *levels, w64 w) {
  const int8x16_t table = vld1q_s8(levels);
  QUARTERS w.q[i] = vqtbl1q_s8(table, vreinterpretq_u8_s8(w.q[i]));
  return w;
}
INLINE_OP w64 w64_level_bytes(w64 w) { return w64_biased(w); }
INLINE_OP i16 i16_dot_small(i16 sum, w64 w, const uint8_t *x) { return i16_dot(sum, w, x); }
INLINE_OP v16 half_row(const uint8_t *p) {
  v16 v;
  QUARTERS v.q[i] = vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p + 8 * i)));
  return v;
}
INLINE_OP v16 bfloat_row(const uint8_t *p) {
  v16 v;
  QUARTERS v.q[i] = vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p + 8 * i)), 16));
  return v;
}
INLINE_OP uint32x4_t unsigned_quarter(const uint8_t *p) {
  uint32_t four;
  memcpy(&four, p, sizeof four);
  return vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)))));
}
INLINE_OP v16 exponent_row(const uint8_t *p) {
  v16 v;
  // Of the two the larger is right: below 2 the result is subnormal.
  QUARTERS {
    const int32x4_t bits = vreinterpretq_s32_u32(unsigned_quarter(p + 4 * i));
    const int32x4_t normal = vsubq_s32(vshlq_n_s32(bits, 23), vdupq_n_s32(1 << 23));
    const int32x4_t small = vaddq_s32(vshlq_n_s32(bits, 21), vdupq_n_s32(1 << 21));
    v.q[i] = vreinterpretq_f32_s32(vmaxq_s32(normal, small));
  }
  return v;
}
INLINE_OP v16 unsigned_row(const uint8_t *p) {
  v16 v;
  QUARTERS v.q[i] = vcvtq_f32_u32(unsigned_quarter(p + 4 * i));
  return v;
}
INLINE_OP v16 signed_row(const uint8_t *p) {
  v16 v;
  QUARTERS {
    uint32_t four;
    memcpy(&four, p + 4 * i, sizeof four);
    const int8x8_t bytes = vreinterpret_s8_u32(vdup_n_u32(four));
    v.q[i] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))));
  }
  return v;
}
INLINE_OP void sums_of_16(const uint8_t *x, int32_t *sums) {
  QUARTERS sums[i] = vaddlvq_s8(vld1q_s8((const int8_t *)x + 16 * i));
}
INLINE_OP i16 i16_zeros(const uint8_t *p, int32_t sum) {
  i16 v;
  QUARTERS v.q[i] = vmulq_n_s32(vreinterpretq_s32_u32(unsigned_quarter(p + 4 * i)), sum);
  return v;
}
INLINE_OP w64 w64_lifts(const uint8_t *p) {
  w64 w;
  QUARTERS {
    const uint32x4_t fours = vmulq_n_u32(unsigned_quarter(p + 4 * i), 0x01010101);
    w.q[i] = vsubq_s8(vdupq_n_s8(CK_ZERO_LIFT), vreinterpretq_s8_u32(fours));
  }
  return w;
}
INLINE_OP w64 w64_add(w64 a, w64 b) {
  QUARTERS a.q[i] = vaddq_s8(a.q[i], b.q[i]);
  return a;
}
#endif

INLINE_OP bool is_blocks(ck_format format) { return ck_geometries[format].block_columns > 0; }

// Whether weights are codes as they are, which are few and not negative.
INLINE_OP bool is_small(ck_format format) {
  const ck_geometry *const g = &ck_geometries[format];
  return is_blocks(format) && g->levels == NULL && g->low_bits < 8;
}

// What weights have been raised by when i16_dot meets them.
INLINE_OP int raised_by(ck_format format) { return is_small(format) ? ck_geometries[format].code_bias : WIDE_BIAS; }

// The same where zeros have been taken away.
INLINE_OP int lifted_by(ck_format format) { return ck_geometries[format].has_zeros ? CK_ZERO_LIFT : raised_by(format); }

// Where the zeros are of part `part` of the block whose record is at `record`.
INLINE_OP const uint8_t *zeros_of_part(ck_format format, const uint8_t *record, size_t part) {
  const ck_geometry *const g = &ck_geometries[format];
  return record + part * ck_part_stride(g) + ck_part_bytes(g);
}

// Minima that are integers are taken away.
INLINE_OP float min_sign(ck_format format) { return ck_geometries[format].part_scales == CK_PARTS_HALF ? 1 : -1; }

// The weights of columns 4 * four to 4 * four + 3 of the group at p.
INLINE_OP w64 group_part(ck_format format, const uint8_t *p, const size_t four) {
  const ck_geometry *const g = &ck_geometries[format];
  const size_t fours = 8 / g->low_bits;
  const w64 line = w64_load(p + four / fours * 64);
  if (fours == 1) return w64_level_bytes(line);
  w64 codes = w64_bits(line, (int)(four % fours * g->low_bits), (1 << g->low_bits) - 1);
  if (g->high_bits) {
    const size_t highs = 8 / g->high_bits;
    const w64 high = w64_load(p + (g->low_bits + four / highs) * 64);
    const int right = (int)(four % highs * g->high_bits) - (int)g->low_bits;
    codes = w64_or(codes, w64_bits(high, right, ((1 << g->high_bits) - 1) << g->low_bits));
  }
  return g->levels ? w64_levels(g->levels, codes) : codes;
}

// Sixteen scales, and minima, of part `part` of the block whose record `block_in_record` blocks into it begins at
// `record`.
typedef struct {
  v16 scale, min;
} part_rows;

// What the integers of a record's parts count in, where they are integers.
INLINE_OP part_rows own_rows_of(ck_format format, const uint8_t *record) {
  const ck_geometry *const g = &ck_geometries[format];
  part_rows own = {v16_zero(), v16_zero()};
  if (ck_record_blocks(g) == 1) return own;
  const uint8_t *const at = record + ck_record_bytes(g) - (g->has_mins ? 2 : 1) * CK_PANEL * sizeof(uint16_t);
  own.scale = half_row(at);
  if (g->has_mins) own.min = half_row(at + CK_PANEL * sizeof(uint16_t));
  return own;
}

INLINE_OP part_rows part_rows_of(ck_format format, const uint8_t *record, part_rows own, size_t block_in_record,
                                 size_t part) {
  const ck_geometry *const g = &ck_geometries[format];
  const size_t bytes = ck_part_bytes(g), parts = CK_Q_BLOCK / g->part_columns;
  const uint8_t *const at = record + (block_in_record * parts + part) * ck_part_stride(g);
  part_rows rows = {v16_zero(), v16_zero()};
  const float factor = ck_own_factor(g);
  switch (g->part_scales) {
    case CK_PARTS_HALF:
      rows.scale = half_row(at);
      if (g->has_mins) rows.min = half_row(at + bytes);
      return rows;
    case CK_PARTS_BFLOAT: rows.scale = bfloat_row(at); return rows;
    case CK_PARTS_EXPONENT: rows.scale = exponent_row(at); return rows;
    case CK_PARTS_SIGNED: rows.scale = v16_multiply(signed_row(at), own.scale); return rows;
    default:
      rows.scale = v16_multiply(unsigned_row(at), own.scale);
      if (g->own_halvings) rows.scale = v16_multiply(rows.scale, v16_broadcast(&factor));
      if (g->has_mins) rows.min = v16_multiply(unsigned_row(at + bytes), own.min);
      return rows;
  }
}
