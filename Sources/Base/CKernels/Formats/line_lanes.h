// Formats of numbers in registers a line of 64 bytes at a time, with AVX-512 VBMI, whose permutations find any byte of
// 64 or 128. For the formats that have them:
//
//   line_columns(format)     columns of sixteen rows that a line holds; 0 for formats without
//   line_of(format, p)       the line at p, arranged
//   line_weight(format, line, column)   the weights of one of its columns, scales apart; all values, NaN too
//   line_scale(format, p)    one row of sixteen scales
typedef struct {
  __m512i half[2];
} line;

INLINE_OP size_t line_columns(ck_format format) { return format == CK_F8E4M3 ? 4 : format == CK_MXFP4 ? 8 : 0; }

// From four rows of sixteen bytes to lanes of their bytes: of each byte of a register where it comes from.
static const uint8_t line_by_lanes[64] = {
#define LANE(r) r, 16 + (r), 32 + (r), 48 + (r)
    LANE(0), LANE(1), LANE(2),  LANE(3),  LANE(4),  LANE(5),  LANE(6),  LANE(7),
    LANE(8), LANE(9), LANE(10), LANE(11), LANE(12), LANE(13), LANE(14), LANE(15),
#undef LANE
};
// The same in 128 bits each: a byte of four lanes, then the next byte of them.
static const uint8_t line_by_fours[64] = {
#define ROW(r) r, (r) + 1, (r) + 2, (r) + 3
#define FOUR(r) ROW(r), ROW((r) + 16), ROW((r) + 32), ROW((r) + 48)
    FOUR(0),
    FOUR(4),
    FOUR(8),
    FOUR(12),
#undef FOUR
#undef ROW
};

// The two bytes of the bf16 that each E4M3 is, by its bits without the sign.
static const uint8_t f8e4m3_top[128] = {
    0x00, 0x3B, 0x3B, 0x3B, 0x3C, 0x3C, 0x3C, 0x3C, 0x3C, 0x3C, 0x3C, 0x3C, 0x3C, 0x3C, 0x3C, 0x3C, 0x3D, 0x3D, 0x3D,
    0x3D, 0x3D, 0x3D, 0x3D, 0x3D, 0x3D, 0x3D, 0x3D, 0x3D, 0x3D, 0x3D, 0x3D, 0x3D, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E,
    0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F,
    0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40,
    0x40, 0x40, 0x40, 0x40, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41,
    0x41, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x43, 0x43,
    0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x7F,
};
static const uint8_t f8e4m3_bottom[128] = {
    0x00, 0x00, 0x80, 0xC0, 0x00, 0x20, 0x40, 0x60, 0x80, 0x90, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0, 0xF0, 0x00, 0x10, 0x20,
    0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0x90, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0, 0xF0, 0x00, 0x10, 0x20, 0x30, 0x40, 0x50,
    0x60, 0x70, 0x80, 0x90, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0, 0xF0, 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80,
    0x90, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0, 0xF0, 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0x90, 0xA0, 0xB0,
    0xC0, 0xD0, 0xE0, 0xF0, 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0x90, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0,
    0xF0, 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0x90, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0, 0xF0, 0x00, 0x10,
    0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0x90, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0, 0xC0,
};

INLINE_OP __m512i table(const uint8_t *p) { return _mm512_loadu_si512(p); }

// FP8 E4M3 to bf16 by its bytes, columns beside each other.
INLINE_OP line f8e4m3_line(const uint8_t *p) {
  const __m512i bytes = _mm512_permutexvar_epi8(table(line_by_fours), _mm512_loadu_si512(p));
  __m512i top = _mm512_permutex2var_epi8(table(f8e4m3_top), bytes, table(f8e4m3_top + 64));
  const __m512i bottom = _mm512_permutex2var_epi8(table(f8e4m3_bottom), bytes, table(f8e4m3_bottom + 64));
  // top | (bytes & sign)
  top = _mm512_ternarylogic_epi32(top, bytes, _mm512_set1_epi8((char)0x80), 0xF8);
  const line halves = {{_mm512_unpacklo_epi8(bottom, top), _mm512_unpackhi_epi8(bottom, top)}};
  return halves;
}

// MXFP4's nibbles by lanes, of which a permutation of sixteen numbers reads the lowest.
INLINE_OP line mxfp4_line(const uint8_t *p) {
  const line lanes = {{_mm512_permutexvar_epi8(table(line_by_lanes), _mm512_loadu_si512(p))}};
  return lanes;
}

INLINE_OP line line_of(ck_format format, const uint8_t *p) {
  return format == CK_F8E4M3 ? f8e4m3_line(p) : mxfp4_line(p);
}

INLINE_OP v16 line_weight(ck_format format, line l, const int column) {
  if (format == CK_MXFP4) return fp4_values(_mm512_srli_epi32(l.half[0], 4 * (unsigned)column));
  const __m512i columns = l.half[column / 2], zero = _mm512_setzero_si512();
  return _mm512_castsi512_ps(column % 2 ? _mm512_unpackhi_epi16(zero, columns) : _mm512_unpacklo_epi16(zero, columns));
}

INLINE_OP v16 line_scale(ck_format format, const uint8_t *p) {
  return format == CK_F8E4M3 ? _mm512_loadu_ps(p) : mxfp4_scale_row(p);
}

// A chain of fused multiply-adds may be kept divided by a power of two: its bits are the same, as long as none of its
// numbers is subnormal or infinite. So MXFP4's scales need not be multiplied by each weight. Of scales from 2^-40 to
// 2^8 and rows of zeros and magnitudes from 2^-54 on, each product is a multiple of 2^(-54 - 23 - 1) times its scale,
// and so is each sum of the least scale; over any scale that is 2^-126 or more. Below 2^64, 256 products are less than
// 2^123 over the least scale.
enum { LEAST_SHIFT = 127 - 40, MOST_SHIFT = 127 + 8 };

INLINE_OP bool scales_are_shifts(const uint8_t *scales, size_t bytes) {
  __mmask64 outside = 0;
  for (size_t at = 0; at < bytes; at += 64) {
    const __mmask64 mask = bytes - at >= 64 ? ~0ull : (1ull << (bytes - at)) - 1;
    const __m512i above = _mm512_sub_epi8(_mm512_maskz_loadu_epi8(mask, scales + at), _mm512_set1_epi8(LEAST_SHIFT));
    outside |= _mm512_mask_cmpgt_epu8_mask(mask, above, _mm512_set1_epi8(MOST_SHIFT - LEAST_SHIFT));
  }
  return outside == 0;
}
INLINE_OP bool row_is_plain(const float *x, size_t count) {
  __mmask16 inside = 0xFFFF;
  for (size_t i = 0; i < count; i += 16) {
    const __mmask16 mask = count - i >= 16 ? 0xFFFF : first_lanes(count - i);
    const __m512i bits = _mm512_and_si512(_mm512_maskz_loadu_epi32(mask, x + i), _mm512_set1_epi32(0x7FFFFFFF));
    const __m512i above = _mm512_sub_epi32(bits, _mm512_set1_epi32((127 - 54) << 23));
    inside &= _mm512_cmplt_epu32_mask(above, _mm512_set1_epi32((54 + 64) << 23)) | _mm512_testn_epi32_mask(bits, bits);
  }
  return inside == 0xFFFF;
}
// Sixteen quotients of such scales.
INLINE_OP v16 shift_quotient(const uint8_t *dividend, const uint8_t *divisor) {
  const __m128i bytes =
      _mm_sub_epi8(_mm_loadu_si128((const __m128i *)dividend), _mm_loadu_si128((const __m128i *)divisor));
  const __m512i exponents = _mm512_cvtepu8_epi32(_mm_add_epi8(bytes, _mm_set1_epi8(127)));
  return _mm512_castsi512_ps(_mm512_slli_epi32(exponents, 23));
}
