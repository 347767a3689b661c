// The product in the names of a native_*.h of CKernels, and of
//
//   TILE_ROWS, TILE_VECTORS   rows and vectors of columns whose sums are kept in registers
//   ROWS_CASES(DO)            DO(R) for each R from 1 to TILE_ROWS
//   FLUSH_BEGIN, FLUSH_END    around products in bf16: the processor takes and gives zeros for subnormals
//   HAS_FLUSHED, FORGET_FLUSHED, v_fma_flushed   where it gives them for what rounding would make normal: whether it
//                             has since it was told to forget, and a multiply-add that does not
//   v_step(a, b, c)           c + a * b, or the products of two bf16 pairs added to c where PAIRS is defined
//   HAS_PACK_TRANSPOSED       where `pack_transposed` is there already, in the instruction set's own words
//   ROWS_LIE                  where whole tiles of A's rows, twelve, are read where they lie
//   v_pin(v)                  an opaque use of a vector in its register: keeps the compiler from mixing two p's work
//                             and spilling sums
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

#include "pack_template.h"

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

/// Asks for where a tile's sums go, while they are made.
INLINE void fetch_goal(const int R, const int V, const tile_end *end) {
  const float *const goal = end->adds ? end->c : end->totals;
  const size_t stride = end->adds ? end->c_stride : end->totals_stride;
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int v = 0; v < V; ++v) __builtin_prefetch(goal + (size_t)r * stride + v * LANES, 1, 3);
  }
}

/// Brings a tile's sums, of whose vectors the last has `last` lanes, to where they go.
INLINE void finish_tile(const int R, const int V, vf sums[TILE_ROWS][TILE_VECTORS], tile_end end, size_t last) {
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

/// A tile of R rows and V vectors, whose last one has `last` lanes, over a block of p.
INLINE void tile(const int R, const int V, size_t depth, const float *a, size_t a_step, const float *b, size_t b_step,
                 tile_end end, size_t last) {
  vf sums[TILE_ROWS][TILE_VECTORS];
  UNROLL for (int r = 0; r < R; ++r) { UNROLL for (int v = 0; v < V; ++v) sums[r][v] = v_set(0.0f); }
  fetch_goal(R, V, &end);
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
  finish_tile(R, V, sums, end, last);
}

#ifdef ROWS_LIE
#include "lying_tile.h"
#endif

/// A tile's columns of B against all rows of a part of C, over a block of p.
typedef struct {
  const float *a, *b;
  size_t rows, depth;
  // Floats of A from one tile of rows to the next, and from one p to the next; of B from one p to the next.
  size_t a_tile, a_step, b_step;
  tile_end end;
  size_t last;
#ifdef ROWS_LIE
  // The first rows of A, where they are read as they lie.
  const float *lying;
  size_t lying_rows, lying_stride;
#endif
} strip;

#define TILE_CASE(R) \
  case R: tile(R, V, s->depth, a, s->a_step, s->b, s->b_step, end, s->last); break;
INLINE void strip_of_vectors(const int V, const strip *s) {
  tile_end end = s->end;
  const float *a = s->a;
  size_t i = 0;
#ifdef ROWS_LIE
  for (; i < s->lying_rows; i += TILE_ROWS, a += s->a_tile) {
    lying_tile(V, s->depth, s->lying + i * s->lying_stride, s->lying_stride, s->b, s->b_step, end, s->last);
    end.totals += TILE_ROWS * end.totals_stride;
    end.c += TILE_ROWS * end.c_stride;
  }
#endif
  for (; i < s->rows; i += TILE_ROWS, a += s->a_tile) {
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
#ifdef ROWS_LIE
    if (!call->bf16 && call->a_column_stride == 1 && call->a_row_stride % LYING_PERIOD != 0) {
      s.lying = a;
      s.lying_stride = call->a_row_stride;
      i = s.lying_rows = part->rows / TILE_ROWS * TILE_ROWS;
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
                         .adds = call->add && !call->bf16 && part->p + part->depth == call->depth,
                         .flushes = call->bf16};
  if (!call->bf16) return multiply_part(call, part, scratch, b_tiles);
  FLUSH_BEGIN
  multiply_part(call, part, scratch, b_tiles);
  FLUSH_END
}

/// Adds to a part of C its totals, in fp32 as all other sums of gradients are: of subnormals, too.
static __attribute__((noinline)) void add_totals(const cg_product *call, const product_part *part,
                                                 const float *totals) {
  for (size_t i = 0; i < part->rows; ++i, totals += PART_COLUMNS) {
    float *const c = call->c + (part->row + i) * call->c_stride + part->column;
    for (size_t j = 0; j < part->columns; j += LANES) {
      const size_t n = smaller(part->columns - j, LANES);
      v_store_first(c + j, v_add(v_load_first(c + j, n), v_load_first(totals + j, n)), n);
    }
  }
}

static void product(const cg_product *call, float *scratch) {
  product_part part = {.a_lies = !call->bf16 && call->a_row_stride == 1 && call->columns <= FEW_COLUMNS,
                       .b_lies = !call->bf16 && call->b_column_stride == 1 && call->rows <= FEW_ROWS};
  // Where C holds what is added to, the totals of several blocks grow elsewhere, which has room for a part, and so do
  // those in bf16, which is no arithmetic to add them in. Else B is packed once for all rows.
  const bool is_block = call->depth <= CG_DEPTH_BLOCK, apart = call->add && (call->bf16 || !is_block);
  const float *const totals = scratch + CG_SCRATCH_A + CG_SCRATCH_B;
  const size_t depth = call->depth > 0 ? call->depth : 1;
  for (part.column = 0; part.column < call->columns; part.column += PART_COLUMNS) {
    part.columns = smaller(call->columns - part.column, PART_COLUMNS);
    if (apart) {
      for (part.row = 0; part.row < call->rows; part.row += PART_ROWS) {
        part.b_is_packed = is_block && part.row > 0;
        for (part.p = 0; part.p < depth; part.p += CG_DEPTH_BLOCK) multiply_block(call, &part, scratch, apart);
        if (call->bf16) add_totals(call, &part, totals);
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
