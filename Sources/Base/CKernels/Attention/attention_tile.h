// How rows attend one tile of a cache that holds `cached` elements, in the names of attention_template.h, which
// includes this for each type of them.

/// Scores of `rows` x 4 keys (or 1, if `keys` is 1) from position `at` on, before the softmax.
INLINE void CACHED(score_keys)(const int rows, const int keys, const cache_tile *tile, row_block *block, int first_row,
                               size_t at, float scale) {
  const cached *const key = (const cached *)tile->keys + at * tile->key_stride;
  const key_fetch fetch = keys == 4 ? open_key_fetch(tile, at) : (key_fetch){.count = 0};
  vf lanes[BLOCK_ROWS][4][PARTS];
  UNROLL for (int part = 0; part < PARTS; ++part) {
    // One register's worth of the sixteen lanes at a time, so that rows * keys chains fit the registers.
    vf chains[BLOCK_ROWS][4];
    UNROLL for (int r = 0; r < rows; ++r) { UNROLL for (int k = 0; k < keys; ++k) chains[r][k] = v_set(0.0f); }
    const size_t whole = tile->key_dims / 16 * 16;
    size_t d = (size_t)part * LANES;
#if defined(CACHE_LOAD_TWO)
    const float *query[BLOCK_ROWS];
    UNROLL for (int r = 0; r < rows; ++r) query[r] = block->rows[first_row + r]->query;
#pragma clang loop unroll_count(2)
    for (; d + 32 <= tile->key_dims; d += 32) {
      if (keys == 4) fetch_keys(&fetch, d);
      vf q[BLOCK_ROWS][2];
      UNROLL for (int r = 0; r < rows; ++r) {
        UNROLL for (int i = 0; i < 2; ++i) q[r][i] = v_load(query[r] + d + 16 * i);
      }
      UNROLL for (int k = 0; k < keys; ++k) {
        vf loaded[2];
        CACHE_LOAD_TWO(key + (size_t)k * tile->key_stride + d, loaded);
        UNROLL for (int i = 0; i < 2; ++i) {
          UNROLL for (int r = 0; r < rows; ++r) chains[r][k] = v_fma(q[r][i], loaded[i], chains[r][k]);
        }
      }
    }
#endif
    for (; d < whole; d += 16) {
      if (keys == 4 && part == 0) fetch_keys(&fetch, d);
      vf q[BLOCK_ROWS];
      UNROLL for (int r = 0; r < rows; ++r) q[r] = v_load(block->rows[first_row + r]->query + d);
      UNROLL for (int k = 0; k < keys; ++k) {
        const vf loaded = CACHE_LOAD(key + (size_t)k * tile->key_stride + d);
        UNROLL for (int r = 0; r < rows; ++r) chains[r][k] = v_fma(q[r], loaded, chains[r][k]);
      }
    }
    if (whole < tile->key_dims) {
      const size_t n = d < tile->key_dims ? tile->key_dims - d : 0;
      UNROLL for (int r = 0; r < rows; ++r) {
        const vf q = n > 0 ? v_load_first(block->rows[first_row + r]->query + d, n) : v_set(0.0f);
        UNROLL for (int k = 0; k < keys; ++k) {
          const vf tail = n > 0 ? CACHE_LOAD_FIRST(key + (size_t)k * tile->key_stride + d, n) : v_set(0.0f);
          chains[r][k] = v_fma(q, tail, chains[r][k]);
        }
      }
    }
    UNROLL for (int r = 0; r < rows; ++r) { UNROLL for (int k = 0; k < keys; ++k) lanes[r][k][part] = chains[r][k]; }
  }
#if LANES == 16
  if (rows == 4 && keys == 4) {
    float *scores[4];
    UNROLL for (int r = 0; r < 4; ++r) scores[r] = block->p[first_row + r] + at;
    v_store_quarters(scores, v_multiply(v_sums((const vf(*)[4][1])lanes), v_set(scale)));
    return;
  }
#endif
  UNROLL for (int r = 0; r < rows; ++r) {
    float *const scores = block->p[first_row + r] + at;
    if (keys == 4) {
      v4_store(scores,
               v4_multiply(v4_sums(v_fold(lanes[r][0]), v_fold(lanes[r][1]), v_fold(lanes[r][2]), v_fold(lanes[r][3])),
                           scale));
    } else {
      *scores = v4_sum(v_fold(lanes[r][0])) * scale;
    }
  }
}

INLINE void CACHED(score_rows)(const int rows, const cache_tile *tile, row_block *block, int first_row, size_t begin,
                               size_t end, float scale) {
  size_t at = begin;
  for (; at + 4 <= end; at += 4) CACHED(score_keys)(rows, 4, tile, block, first_row, at, scale);
  for (; at < end; ++at) CACHED(score_keys)(rows, 1, tile, block, first_row, at, scale);
}

/// out[d...] = out * correction, then the chain over positions [begin, end), for `vectors` vectors from d on; n lanes
/// of the last one exist.
INLINE void CACHED(accumulate_dims)(const int rows, const int vectors, const cache_tile *tile, const row_block *block,
                                    int first_row, size_t begin, size_t end, size_t d, size_t n) {
  vf sums[BLOCK_ROWS][4];
  UNROLL for (int r = 0; r < rows; ++r) {
    const vf correction = v_set(block->correction[first_row + r]);
    UNROLL for (int v = 0; v < vectors; ++v) {
      const float *const out = block->rows[first_row + r]->out + d + v * LANES;
      sums[r][v] = v_multiply(v_load_first(out, v + 1 < vectors ? LANES : n), correction);
    }
  }
  const cached *value = (const cached *)tile->values + begin * tile->value_stride + d;
#if defined(CACHE_LOAD_TWO)
  value_fetch fetch = open_value_fetch(tile, begin, d);
#endif
  for (size_t at = begin; at < end; ++at, value += tile->value_stride) {
#if !defined(CACHE_LOAD_TWO)
    if (vectors == 4) fetch_values(tile, at, d);
#endif
    vf p[BLOCK_ROWS];
    UNROLL for (int r = 0; r < rows; ++r) p[r] = v_set(block->p[first_row + r][at]);
#if defined(CACHE_LOAD_TWO)
    if (vectors == 4) {
      fetch_next_value(&fetch);
      UNROLL for (int v = 0; v < 4; v += 2) {
        vf loaded[2];
        CACHE_LOAD_TWO(value + v * LANES, loaded);
        UNROLL for (int i = 0; i < 2; ++i) {
          UNROLL for (int r = 0; r < rows; ++r) sums[r][v + i] = v_fma(p[r], loaded[i], sums[r][v + i]);
        }
      }
      continue;
    }
#endif
    UNROLL for (int v = 0; v < vectors; ++v) {
      const vf loaded = CACHE_LOAD_FIRST(value + v * LANES, v + 1 < vectors ? LANES : n);
      UNROLL for (int r = 0; r < rows; ++r) sums[r][v] = v_fma(p[r], loaded, sums[r][v]);
    }
  }
  UNROLL for (int r = 0; r < rows; ++r) {
    UNROLL for (int v = 0; v < vectors; ++v) {
      float *const out = block->rows[first_row + r]->out + d + v * LANES;
      v_store_first(out, sums[r][v], v + 1 < vectors ? LANES : n);
    }
  }
}

INLINE void CACHED(accumulate_rows)(const int rows, const cache_tile *tile, row_block *block, int first_row,
                                    size_t begin, size_t end) {
  size_t d = 0;
  for (; d + 4 * LANES <= tile->value_dims; d += 4 * LANES) {
    CACHED(accumulate_dims)(rows, 4, tile, block, first_row, begin, end, d, LANES);
  }
  for (; d + LANES <= tile->value_dims; d += LANES) {
    CACHED(accumulate_dims)(rows, 1, tile, block, first_row, begin, end, d, LANES);
  }
  if (d < tile->value_dims) {
    CACHED(accumulate_dims)(rows, 1, tile, block, first_row, begin, end, d, tile->value_dims - d);
  }
  for (int r = 0; r < rows; ++r) block->correction[first_row + r] = 1;
}

static void CACHED(score)(int rows, const cache_tile *tile, row_block *block, int first_row, size_t begin, size_t end,
                          float scale) {
  if (begin < end) WITH_CONSTANT_ROWS(rows, CACHED(score_rows), tile, block, first_row, begin, end, scale)
}

static void CACHED(accumulate)(int rows, const cache_tile *tile, row_block *block, int first_row, size_t begin,
                               size_t end) {
  if (begin < end) WITH_CONSTANT_ROWS(rows, CACHED(accumulate_rows), tile, block, first_row, begin, end)
}

/// Attends one tile with up to BLOCK_ROWS rows. The positions all of them attend are done together, those before and
/// after by each row alone, so that nothing is read that no row attends.
static void CACHED(attend_tile)(int rows, const cache_tile *tile, row_block *block, float scale) {
  size_t begin = 0, end = TILE;
  for (int r = 0; r < rows; ++r) {
    begin = block->begin[r] > begin ? block->begin[r] : begin;
    end = block->end[r] < end ? block->end[r] : end;
    for (int j = 0; j < TILE; ++j) block->p[r][j] = -INFINITY;
  }
  if (begin >= end) begin = end = TILE;  // nothing in common: each row's whole range comes before
#define BEFORE(r) block->begin[r], begin < block->end[r] ? begin : block->end[r]
  for (int r = 0; r < rows; ++r) CACHED(score)(1, tile, block, r, BEFORE(r), scale);
  CACHED(score)(rows, tile, block, 0, begin, end, scale);
  for (int r = 0; r < rows; ++r) CACHED(score)(1, tile, block, r, end, block->end[r], scale);
  for (int r = 0; r < rows; ++r) soften(block, r);
  for (int r = 0; r < rows; ++r) CACHED(accumulate)(1, tile, block, r, BEFORE(r));
  CACHED(accumulate)(rows, tile, block, 0, begin, end);
  for (int r = 0; r < rows; ++r) CACHED(accumulate)(1, tile, block, r, end, block->end[r]);
#undef BEFORE
}

#undef cached
#undef CACHED
#undef CACHE_LOAD
#undef CACHE_LOAD_FIRST
#undef CACHE_LOAD_TWO
