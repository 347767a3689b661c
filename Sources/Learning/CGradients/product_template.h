// The product in the names of a native_*.h of CKernels, and of
//
//   TILE_ROWS, TILE_VECTORS   rows and vectors of columns whose sums are kept in registers
//   ROWS_CASES(DO)            DO(R) for each R from 1 to TILE_ROWS
//   FLUSH_BEGIN, FLUSH_END    around products in bf16: the processor takes and gives zeros for subnormals
//   HAS_FLUSHED, FORGET_FLUSHED, v_fma_flushed   where it gives them for what rounding would make normal: whether it
//                             has since it was told to forget, and a multiply-add that does not
//   v_step(a, b, c)           c + a * b, or the products of two bf16 pairs added to c where PAIRS is defined
//   HAS_PACK_TRANSPOSED       where `pack_transposed` is there already, in the instruction set's own words
//   v_pin(v)                  an opaque use of a vector in its register: keeps the compiler from mixing two p's work and
//                             spilling sums
//
// A part of C, CG_SCRATCH_ROWS x CG_SCRATCH_COLUMNS, is computed at a time: for each block of p, both operands are
// packed into tiles, A's [p][TILE_ROWS] and B's [p][TILE_COLUMNS], and each pair of tiles gives a tile of sums.
//
// With PAIRS, the products are those in bf16: a tile's element is a word of two bf16 numbers, the first of a pair of p
// in its lower half, so that tiles have half as many rows; `convert_pairs` and `interleave_pairs` make words.
#define TILE_COLUMNS (TILE_VECTORS * LANES)
#define PART_ROWS (CG_SCRATCH_ROWS / TILE_ROWS * TILE_ROWS)
#define PART_COLUMNS (CG_SCRATCH_COLUMNS / TILE_COLUMNS * TILE_COLUMNS)
#define UNROLL _Pragma("clang loop unroll(full)")

#ifndef v_step
#define v_step v_fma
#endif

INLINE size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

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

/// Some tiles of A, whose numbers of one p lie one after another, side by side: so each line of a cache is read once, and
/// those of rows a page or more apart need not stay there until the next tile.
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

/// What becomes of a tile's sums: totals = sums, or totals + sums after the first block; after the last one of a
/// product that is added, c + that goes to c.
typedef struct {
  float *totals, *c;
  size_t totals_stride, c_stride;
  // `flushes`: subnormals count as zero.
  bool first, adds, flushes;
} tile_end;

#ifdef HAS_FLUSHED
/// A tile's sums over a block of p, after a result has been flushed.
static __attribute__((noinline)) void sum_after_flush(int R, int V, size_t depth, const float *a, size_t a_step,
                                                      const float *b, size_t b_step, vf sums[][TILE_VECTORS]) {
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < V; ++v) {
      vf sum = v_set(0.0f);
      for (size_t p = 0; p < depth; ++p) {
        sum = v_fma_flushed(v_set(a[p * a_step + r]), v_load(b + p * b_step + v * LANES), sum);
      }
      sums[r][v] = sum;
    }
  }
  FORGET_FLUSHED;
}
#endif

/// A tile of R rows and V vectors, whose last one has `last` lanes, over a block of p.
INLINE void tile(const int R, const int V, size_t depth, const float *a, size_t a_step, const float *b, size_t b_step,
                 tile_end end, size_t last) {
  vf sums[TILE_ROWS][TILE_VECTORS];
  UNROLL for (int r = 0; r < R; ++r) { UNROLL for (int v = 0; v < V; ++v) sums[r][v] = v_set(0.0f); }
  // Where the sums go is asked for while they are made.
  {
    const float *const goal = end.adds ? end.c : end.totals;
    const size_t goal_stride = end.adds ? end.c_stride : end.totals_stride;
    UNROLL for (int r = 0; r < R; ++r) {
      UNROLL for (int v = 0; v < V; ++v) __builtin_prefetch(goal + (size_t)r * goal_stride + v * LANES, 1, 3);
    }
  }
  const float *row = a, *column = b;
  for (size_t p = 0; p < depth; ++p, row += a_step, column += b_step) {
    vf columns[TILE_VECTORS];
    UNROLL for (int v = 0; v < V; ++v) columns[v] = v_load(column + v * LANES);
    UNROLL for (int r = 0; r < R; ++r) {
      const vf value = v_set(row[r]);
      UNROLL for (int v = 0; v < V; ++v) sums[r][v] = v_step(value, columns[v], sums[r][v]);
    }
    UNROLL for (int r = 0; r < R; ++r) { UNROLL for (int v = 0; v < V; ++v) v_pin(sums[r][v]); }
  }
#ifdef HAS_FLUSHED
  if (end.flushes && __builtin_expect(HAS_FLUSHED, false)) { sum_after_flush(R, V, depth, a, a_step, b, b_step, sums); }
#endif
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int v = 0; v < V; ++v) {
      const size_t n = v + 1 < V ? LANES : last;
      float *const total_at = end.totals + (size_t)r * end.totals_stride + v * LANES;
      vf total = sums[r][v];
      if (!end.first) total = v_add(v_load_first(total_at, n), total);
      if (end.adds) {
        float *const c = end.c + (size_t)r * end.c_stride + v * LANES;
        v_store_first(c, v_add(v_load_first(c, n), total), n);
      } else {
        v_store_first(total_at, total, n);
      }
    }
  }
}

/// A tile's columns of B against all rows of a part of C, over a block of p.
typedef struct {
  const float *a, *b;
  size_t rows, depth;
  // Floats of A from one tile of rows to the next, and from one p to the next; of B from one p to the next.
  size_t a_tile, a_step, b_step;
  tile_end end;
  size_t last;
} strip;

#define TILE_CASE(R) \
  case R: tile(R, V, s->depth, a, s->a_step, s->b, s->b_step, end, s->last); break;
INLINE void strip_of_vectors(const int V, const strip *s) {
  tile_end end = s->end;
  const float *a = s->a;
  for (size_t i = 0; i < s->rows; i += TILE_ROWS, a += s->a_tile) {
    switch (smaller(s->rows - i, TILE_ROWS)) { ROWS_CASES(TILE_CASE) }
    end.totals += TILE_ROWS * end.totals_stride;
    end.c += TILE_ROWS * end.c_stride;
  }
}

static __attribute__((noinline)) void strip_1(const strip *s) { strip_of_vectors(1, s); }
static __attribute__((noinline)) void strip_2(const strip *s) { strip_of_vectors(2, s); }
#if TILE_VECTORS > 2
static __attribute__((noinline)) void strip_3(const strip *s) { strip_of_vectors(3, s); }
#endif

static void multiply_strip(const strip *s, size_t vectors) {
  switch (vectors) {
    case 1: strip_1(s); break;
#if TILE_VECTORS > 2
    case 3: strip_3(s); break;
#endif
    default: strip_2(s); break;
  }
}

/// A part of C and a block of p.
typedef struct {
  size_t row, rows, column, columns, p, depth;
  // A is read where it lies; B is, but for a tile that is not full; B's tiles hold this block already.
  bool a_lies, b_lies, b_is_packed;
  tile_end end;
} product_part;

static void multiply_part(const cg_product *call, const product_part *part, float *a_tiles, float *b_tiles) {
  const float *const a = call->a + part->row * call->a_row_stride + part->p * call->a_column_stride;
  const float *const b = call->b + part->column * call->b_column_stride + part->p * call->b_row_stride;
  strip s = {.rows = part->rows, .depth = part->depth};
  if (part->a_lies) {
    s.a = a;
    s.a_tile = TILE_ROWS;
    s.a_step = call->a_column_stride;
  } else {
    s.a = a_tiles;
    s.a_tile = TILE_ROWS * CG_DEPTH_BLOCK;
    s.a_step = TILE_ROWS;
    size_t i = 0;
#ifndef PAIRS
    if (!call->bf16 && call->a_row_stride == 1) {
      // Tiles of some instruction sets are a multiple of a page apart, where a cache holds few lines.
      for (size_t tiles; (tiles = smaller((part->rows - i) / TILE_ROWS, 8)) > 0; i += tiles * TILE_ROWS) {
        pack_straight_tiles(a + i, call->a_column_stride, tiles, part->depth, a_tiles + i * CG_DEPTH_BLOCK);
      }
    }
#endif
    for (; i < part->rows; i += TILE_ROWS) {
      s.depth = pack_tile(call->bf16, a + i * call->a_row_stride, call->a_row_stride, call->a_column_stride,
                          smaller(part->rows - i, TILE_ROWS), part->depth, a_tiles + i * CG_DEPTH_BLOCK, TILE_ROWS);
    }
  }
  for (size_t j = 0; j < part->columns; j += TILE_COLUMNS) {
    const size_t width = smaller(part->columns - j, TILE_COLUMNS), vectors = (width + LANES - 1) / LANES;
    if (part->b_lies && width == TILE_COLUMNS) {
      s.b = b + j;
      s.b_step = call->b_row_stride;
    } else {
      float *const packed = b_tiles + j * CG_DEPTH_BLOCK;
      if (!part->b_is_packed) {
        pack_tile(call->bf16, b + j * call->b_column_stride, call->b_column_stride, call->b_row_stride, width,
                  part->depth, packed, TILE_COLUMNS);
      }
      s.b = packed;
      s.b_step = TILE_COLUMNS;
    }
    s.end = part->end;
    s.end.totals += j;
    s.end.c += j;
    s.last = width - (vectors - 1) * LANES;
    multiply_strip(&s, vectors);
  }
}

/// The part of C from (row, column) on, and the block from p on.
static void multiply_block(const cg_product *call, product_part *part, float *scratch, bool apart) {
  float *const b_tiles = scratch + CG_SCRATCH_A, *const totals = b_tiles + CG_SCRATCH_B;
  float *const c = call->c + part->row * call->c_stride + part->column;
  part->rows = smaller(call->rows - part->row, PART_ROWS);
  part->depth = smaller(call->depth - part->p, CG_DEPTH_BLOCK);
  part->end = (tile_end){.totals = apart ? totals : c,
                         .totals_stride = apart ? PART_COLUMNS : call->c_stride,
                         .c = c,
                         .c_stride = call->c_stride,
                         .first = part->p == 0,
                         .adds = call->add && part->p + part->depth == call->depth,
                         .flushes = call->bf16};
  multiply_part(call, part, scratch, b_tiles);
}

static void product_of(const cg_product *call, float *scratch) {
  product_part part = {.a_lies = !call->bf16 && call->a_row_stride == 1 && call->columns <= FEW_COLUMNS,
                       .b_lies = !call->bf16 && call->b_column_stride == 1 && call->rows <= FEW_ROWS};
  // Where C holds what is added to, the totals of several blocks grow elsewhere, which has room for a part. Else B is
  // packed once for all rows.
  const bool apart = call->add && call->depth > CG_DEPTH_BLOCK;
  const size_t depth = call->depth > 0 ? call->depth : 1;
  for (part.column = 0; part.column < call->columns; part.column += PART_COLUMNS) {
    part.columns = smaller(call->columns - part.column, PART_COLUMNS);
    if (apart) {
      for (part.row = 0; part.row < call->rows; part.row += PART_ROWS) {
        for (part.p = 0; part.p < depth; part.p += CG_DEPTH_BLOCK) multiply_block(call, &part, scratch, apart);
      }
    } else {
      for (part.p = 0; part.p < depth; part.p += CG_DEPTH_BLOCK) {
        part.b_is_packed = false;
        for (part.row = 0; part.row < call->rows; part.row += PART_ROWS) {
          multiply_block(call, &part, scratch, apart);
          part.b_is_packed = true;
        }
      }
    }
  }
}

static void product(const cg_product *call, float *scratch) {
  if (!call->bf16) return product_of(call, scratch);
  FLUSH_BEGIN
  product_of(call, scratch);
  FLUSH_END
}
