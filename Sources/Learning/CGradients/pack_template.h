// Tiles of operands as products want them, for product_template.h.
#ifndef HAS_PACK_TRANSPOSED
typedef float four __attribute__((vector_size(16), aligned(4)));
typedef float two __attribute__((vector_size(8), aligned(4)));

/// The transpose of 4 x 4 floats, row r at from + r * from_stride, to rows `to_stride` apart.
INLINE void transpose_four(const float *from, size_t from_stride, float *to, size_t to_stride) {
  const four a = *(const four *)from, b = *(const four *)(from + from_stride);
  const four c = *(const four *)(from + 2 * from_stride), d = *(const four *)(from + 3 * from_stride);
  const four ac_low = __builtin_shufflevector(a, c, 0, 4, 1, 5), ac_high = __builtin_shufflevector(a, c, 2, 6, 3, 7);
  const four bd_low = __builtin_shufflevector(b, d, 0, 4, 1, 5), bd_high = __builtin_shufflevector(b, d, 2, 6, 3, 7);
  *(four *)to = __builtin_shufflevector(ac_low, bd_low, 0, 4, 1, 5);
  *(four *)(to + to_stride) = __builtin_shufflevector(ac_low, bd_low, 2, 6, 3, 7);
  *(four *)(to + 2 * to_stride) = __builtin_shufflevector(ac_high, bd_high, 0, 4, 1, 5);
  *(four *)(to + 3 * to_stride) = __builtin_shufflevector(ac_high, bd_high, 2, 6, 3, 7);
}

/// Of 2 x 4 floats.
INLINE void transpose_two(const float *from, size_t from_stride, float *to, size_t to_stride) {
  const four a = *(const four *)from, b = *(const four *)(from + from_stride);
  const four low = __builtin_shufflevector(a, b, 0, 4, 1, 5), high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  *(two *)to = __builtin_shufflevector(low, low, 0, 1);
  *(two *)(to + to_stride) = __builtin_shufflevector(low, low, 2, 3);
  *(two *)(to + 2 * to_stride) = __builtin_shufflevector(high, high, 0, 1);
  *(two *)(to + 3 * to_stride) = __builtin_shufflevector(high, high, 2, 3);
}

/// to[p][width] = the `count` rows of p's numbers that lie one after another (`unit` apart is 1): a transpose. Rows
/// from `count` on become zero.
INLINE void pack_transposed(const float *from, size_t row_stride, size_t count, size_t depth, float *to,
                            const size_t width) {
  size_t row = 0;
  for (; row + 4 <= count; row += 4) {
    const float *const rows = from + row * row_stride;
    size_t p = 0;
    for (; p + 4 <= depth; p += 4) transpose_four(rows + p, row_stride, to + p * width + row, width);
    for (; p < depth; ++p) { UNROLL for (size_t r = 0; r < 4; ++r) to[p * width + row + r] = rows[r * row_stride + p]; }
  }
  for (; row + 2 <= count; row += 2) {
    const float *const rows = from + row * row_stride;
    size_t p = 0;
    for (; p + 4 <= depth; p += 4) transpose_two(rows + p, row_stride, to + p * width + row, width);
    for (; p < depth; ++p) {
      to[p * width + row] = rows[p];
      to[p * width + row + 1] = rows[row_stride + p];
    }
  }
  for (; row < count; ++row) {
    for (size_t p = 0; p < depth; ++p) to[p * width + row] = from[row * row_stride + p];
  }
  for (; row < width; ++row) {
    for (size_t p = 0; p < depth; ++p) to[p * width + row] = 0;
  }
}
#endif

#ifndef PAIRS
// Operands are read once, row after row, by who packs them: processors end what they read ahead with each page.
#define AHEAD 16
INLINE void fetch_ahead(const float *from, size_t stride, size_t count) {
  for (size_t i = 0; i < count; i += 16) __builtin_prefetch(from + AHEAD * stride + i, 0, 2);
}

/// The same of numbers of which those of one p lie one after another.
INLINE void pack_straight(const float *from, size_t p_stride, size_t count, size_t depth, float *to,
                          const size_t width) {
  if (count == width) {
    for (size_t p = 0; p < depth; ++p) {
      fetch_ahead(from + p * p_stride, p_stride, width);
      __builtin_memcpy(to + p * width, from + p * p_stride, width * sizeof(float));
    }
    return;
  }
  for (size_t p = 0; p < depth; ++p) {
    for (size_t i = 0; i < width; ++i) to[p * width + i] = i < count ? from[p * p_stride + i] : 0;
  }
}

/// Some tiles of A, whose numbers of one p lie one after another, side by side: so each line of a cache is read once,
/// and those of rows a page or more apart need not stay there until the next tile.
INLINE void pack_straight_tiles(const float *from, size_t p_stride, size_t tiles, size_t depth, float *to) {
  for (size_t p = 0; p < depth; ++p) {
    const float *const numbers = from + p * p_stride;
    fetch_ahead(numbers, p_stride, tiles * TILE_ROWS);
    for (size_t t = 0; t < tiles; ++t) {
      __builtin_memcpy(to + t * TILE_ROWS * CG_DEPTH_BLOCK + p * TILE_ROWS, numbers + t * TILE_ROWS,
                       TILE_ROWS * sizeof(float));
    }
  }
}

/// One tile of an operand, whichever way it lies: to[p][width] = from[i * stride + p * p_stride].
INLINE void pack(const float *from, size_t stride, size_t p_stride, size_t count, size_t depth, float *to,
                 const size_t width) {
  if (stride == 1) {
    pack_straight(from, p_stride, count, depth, to, width);
  } else if (p_stride == 1) {
    pack_transposed(from, stride, count, depth, to, width);
  } else {
    for (size_t p = 0; p < depth; ++p) {
      for (size_t i = 0; i < width; ++i) to[p * width + i] = i < count ? from[i * stride + p * p_stride] : 0;
    }
  }
}

#endif

typedef uint32_t word __attribute__((may_alias));

#ifdef PAIRS
/// One tile of an operand in pairs: to[q][width], the words of p = 2q and 2q + 1; returns the number of q. An odd last
/// p has a zero beside it.
INLINE size_t pack_rounded(const float *from, size_t stride, size_t p_stride, size_t count, size_t depth, float *to,
                           const size_t width) {
  const size_t pairs = (depth + 1) / 2;
  if (p_stride == 1) {
    float words[TILE_COLUMNS > TILE_ROWS ? TILE_COLUMNS : TILE_ROWS][CG_DEPTH_BLOCK / 2];
    for (size_t i = 0; i < count; ++i) convert_pairs(from + i * stride, depth, (word *)words[i]);
    pack_transposed(words[0], CG_DEPTH_BLOCK / 2, count, pairs, to, width);
  } else if (stride == 1) {
    for (size_t q = 0; q < pairs; ++q) {
      const float *const first = from + 2 * q * p_stride;
      interleave_pairs(first, 2 * q + 1 < depth ? first + p_stride : NULL, count, (word *)to + q * width, width);
    }
  } else {
    for (size_t q = 0; q < pairs; ++q) {
      word *const words = (word *)to + q * width;
      for (size_t i = 0; i < width; ++i) {
        const float *const first = from + i * stride + 2 * q * p_stride;
        const uint32_t low = i < count ? cg_bf16_rounded(first[0]) : 0;
        const uint32_t high = i < count && 2 * q + 1 < depth ? cg_bf16_rounded(first[p_stride]) : 0;
        words[i] = high | low >> 16;
      }
    }
  }
  return pairs;
}
#else
/// Rounds a packed tile of `depth` p to bf16 and changes the places of each pair; returns the depth then, which is
/// even.
INLINE size_t round_pairs(float *tile, size_t depth, const size_t width) {
  if (depth % 2 != 0) {
    for (size_t i = 0; i < width; ++i) tile[depth * width + i] = 0;
    depth += 1;
  }
  word *const bits = (word *)tile;
  for (size_t p = 0; p < depth; p += 2) {
    for (size_t i = 0; i < width; ++i) {
      const uint32_t first = cg_bf16_rounded(tile[p * width + i]), second = cg_bf16_rounded(tile[(p + 1) * width + i]);
      bits[p * width + i] = second;
      bits[(p + 1) * width + i] = first;
    }
  }
  return depth;
}

/// One tile of an operand in bf16, as fp32 numbers in the order in which they are multiplied; returns how many p.
INLINE size_t pack_rounded(const float *from, size_t stride, size_t p_stride, size_t count, size_t depth, float *to,
                           const size_t width) {
  pack(from, stride, p_stride, count, depth, to, width);
  return round_pairs(to, depth, width);
}
#endif

/// One tile of an operand as the product wants it; returns its number of p, or of pairs of them.
INLINE size_t pack_tile(const bool bf16, const float *from, size_t stride, size_t p_stride, size_t count, size_t depth,
                        float *to, const size_t width) {
#ifndef PAIRS
  if (!bf16) {
    pack(from, stride, p_stride, count, depth, to, width);
    return depth;
  }
#else
  (void)bf16;
#endif
  return pack_rounded(from, stride, p_stride, count, depth, to, width);
}
