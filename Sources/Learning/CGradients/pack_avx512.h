// Transposes of sixteen rows at a time, for products on AVX-512: pack_template.h packs four rows at a time elsewhere.
#define HAS_PACK_TRANSPOSED
#define EACH _Pragma("clang loop unroll(full)") for

/// v[p], lane r = v[r], lane p before.
INLINE void transpose_sixteen(vf v[16]) {
  vf quads[16];
  // Four rows of four numbers: quads[4 g + k] has, in its quarter j, the rows from 4 g on of the number 4 j + k.
  EACH(int g = 0; g < 16; g += 4) {
    const vf low = _mm512_unpacklo_ps(v[g], v[g + 1]), high = _mm512_unpackhi_ps(v[g], v[g + 1]);
    const vf next_low = _mm512_unpacklo_ps(v[g + 2], v[g + 3]), next_high = _mm512_unpackhi_ps(v[g + 2], v[g + 3]);
    const __m512d a = _mm512_castps_pd(low), b = _mm512_castps_pd(next_low);
    const __m512d c = _mm512_castps_pd(high), d = _mm512_castps_pd(next_high);
    quads[g] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
    quads[g + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    quads[g + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(c, d));
    quads[g + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(c, d));
  }
  EACH(int k = 0; k < 4; ++k) {
    const vf a = quads[k], b = quads[4 + k], c = quads[8 + k], d = quads[12 + k];
    const vf ab_low = _mm512_shuffle_f32x4(a, b, 0x44), ab_high = _mm512_shuffle_f32x4(a, b, 0xEE);
    const vf cd_low = _mm512_shuffle_f32x4(c, d, 0x44), cd_high = _mm512_shuffle_f32x4(c, d, 0xEE);
    v[k] = _mm512_shuffle_f32x4(ab_low, cd_low, 0x88);
    v[4 + k] = _mm512_shuffle_f32x4(ab_low, cd_low, 0xDD);
    v[8 + k] = _mm512_shuffle_f32x4(ab_high, cd_high, 0x88);
    v[12 + k] = _mm512_shuffle_f32x4(ab_high, cd_high, 0xDD);
  }
}

/// to[p][width], its first `lanes` numbers = the numbers p of `count` rows, at most sixteen; zeros after these.
INLINE void pack_sixteen(const float *from, size_t row_stride, const size_t count, size_t depth, float *to,
                         const size_t width, const size_t lanes) {
  const __mmask16 kept = (__mmask16)((1u << lanes) - 1);
  for (size_t p = 0; p < depth; p += 16) {
    const size_t n = depth - p < 16 ? depth - p : 16;
    vf v[16];
    EACH(size_t r = 0; r < 16; ++r) v[r] = r < count ? v_load_first(from + r * row_stride + p, n) : v_set(0.0f);
    transpose_sixteen(v);
    // What comes next, most often: as many rows again.
    EACH(size_t r = 0; r < 16; ++r) {
      if (r < count) __builtin_prefetch(from + (r + count) * row_stride + p, 0, 2);
    }
    if (n == 16) {
      EACH(size_t q = 0; q < 16; ++q) _mm512_mask_storeu_ps(to + (p + q) * width, kept, v[q]);
    } else {
      EACH(size_t q = 0; q < 16; ++q) {
        if (q < n) _mm512_mask_storeu_ps(to + (p + q) * width, kept, v[q]);
      }
    }
  }
}

/// to[p][width] = the `count` rows of p's numbers, which lie one after another: a transpose. Rows from `count` on
/// become zero.
INLINE void pack_transposed(const float *from, size_t row_stride, size_t count, size_t depth, float *to,
                            const size_t width) {
  for (size_t row = 0; row < width; row += 16) {
    const size_t lanes = width - row < 16 ? width - row : 16, left = count > row ? count - row : 0;
    const float *const rows = left > 0 ? from + row * row_stride : from;
    if (left >= lanes) {
      pack_sixteen(rows, row_stride, lanes, depth, to + row, width, lanes);
    } else {
      pack_sixteen(rows, row_stride, left, depth, to + row, width, lanes);
    }
  }
}
#undef EACH
