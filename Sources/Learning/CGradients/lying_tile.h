// A tile of products whose rows of A are not packed, as product_template.h has it: with four addresses and one stride,
// twelve rows need no more registers than there are, and less time than to pack them.

/// Rows as many floats apart fall into the same few lines of a first-level cache, which has no room for those of two
/// tiles: they are packed.
#define LYING_PERIOD 1024

/// A whole tile of V vectors: row r of A is at a + r * row_stride. Those of the next tile are asked for meanwhile.
INLINE void lying_tile(const int V, size_t depth, const float *a, size_t row_stride, const float *b, size_t b_step,
                       tile_end end, size_t last) {
  _Static_assert(TILE_ROWS == 12, "three rows for each of four addresses");
  vf sums[TILE_ROWS][TILE_VECTORS];
  UNROLL for (int r = 0; r < TILE_ROWS; ++r) { UNROLL for (int v = 0; v < V; ++v) sums[r][v] = v_set(0.0f); }
  fetch_goal(TILE_ROWS, V, &end);
  const float *rows[4] = {a, a + 3 * row_stride, a + 6 * row_stride, a + 9 * row_stride}, *column = b;
  for (size_t first = 0; first < depth; first += 16) {
    const float *next = a + TILE_ROWS * row_stride + first;
    UNROLL for (int r = 0; r < TILE_ROWS; ++r, next += row_stride) __builtin_prefetch(next, 0, 3);
    const size_t count = smaller(16, depth - first);
    for (size_t p = 0; p < count; ++p, column += b_step) {
      vf columns[TILE_VECTORS];
      UNROLL for (int v = 0; v < V; ++v) columns[v] = v_load(column + v * LANES);
      UNROLL for (int r = 0; r < TILE_ROWS; ++r) {
        const vf value = v_set(rows[r / 3][(size_t)(r % 3) * row_stride]);
        UNROLL for (int v = 0; v < V; ++v) sums[r][v] = v_fma(value, columns[v], sums[r][v]);
      }
      UNROLL for (int i = 0; i < 4; ++i) {
        ++rows[i];
        // Else the compiler keeps twelve addresses, and loads most of them again.
        __asm__ volatile("" : "+r"(rows[i]));
      }
      UNROLL for (int r = 0; r < TILE_ROWS; ++r) { UNROLL for (int v = 0; v < V; ++v) v_pin(sums[r][v]); }
    }
  }
  finish_tile(TILE_ROWS, V, sums, end, last);
}
