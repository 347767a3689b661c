// Int8 matmul on AMX: a tile of up to sixteen rows of int8 times a tile of a part's columns of a panel. In a panel four
// columns of sixteen rows are a line of 64 bytes, and a tile wants just such lines as the rows of its second operand.
//
// With few rows the levels' way to signed bytes costs more than the tiles bring: counted, not measured, in instructions
// of Intel's throughput tables, both are about even at six rows.
#if defined(__x86_64__)
#include <immintrin.h>

#include "../../kernels.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(                                                                                 \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,amx-tile,amx-int8,avx2,fma,f16c"))), \
    apply_to = function)

#include "../../Vectors/int8_avx512_lanes.h"

#include "../../Formats/level_lanes.h"
#include "../../Formats/block_lanes.h"

#define TILE_ROWS 16
#define MIN_ROWS 8
#define FEW_ROWS ck_int8_rows_avx512

INLINE_OP void eight_store(uint8_t *p, w64 a, w64 b) {
  w64_store(p, a);
  w64_store(p + 64, b);
}

// What LDTILECFG reads (Intel SDM volume 1, chapter 18): bytes of a row and rows of each tile.
typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_configuration;

// Tiles 0 to 2 are the rows, and the sums of two panels, where a tile has most rows; 3 to 5 those of one row less; 6 is
// a part of a panel.
INLINE_OP void tiles_begin(size_t columns, size_t m) {
  const size_t count = (m + TILE_ROWS - 1) / TILE_ROWS;
  const uint8_t few = (uint8_t)(m / count), most = (uint8_t)((m + count - 1) / count);
  tile_configuration c;
  memset(&c, 0, sizeof c);
  c.palette = 1;
  for (size_t i = 0; i < 6; i++) {
    c.rows[i] = i < 3 ? most : few;
    c.row_bytes[i] = i % 3 == 0 ? (uint16_t)columns : CK_PANEL * sizeof(int32_t);
  }
  c.rows[6] = (uint8_t)(columns / 4);
  c.row_bytes[6] = CK_PANEL * 4;
  _tile_loadconfig(&c);
}
// Tiles in use would be saved and restored with every change of threads.
INLINE_OP void tiles_end(void) { _tile_release(); }

#define MULTIPLY(X, FIRST, SECOND)                                   \
  do {                                                               \
    _tile_loadd(X, x, x_stride);                                     \
    _tile_zero(FIRST);                                               \
    _tile_loadd(6, w, CK_PANEL * 4);                                 \
    _tile_dpbssd(FIRST, X, 6);                                       \
    _tile_stored(FIRST, sums, CK_PANEL * 4);                         \
    if (panels == 1) break;                                          \
    _tile_zero(SECOND);                                              \
    _tile_loadd(6, w + w_stride, CK_PANEL * 4);                      \
    _tile_dpbssd(SECOND, X, 6);                                      \
    _tile_stored(SECOND, sums + TILE_ROWS * CK_PANEL, CK_PANEL * 4); \
  } while (0)

INLINE_OP void tile_products(const size_t columns, size_t rows, bool is_large, size_t panels, const uint8_t *x,
                             size_t x_stride, const uint8_t *w, size_t w_stride, int32_t *sums) {
  (void)columns, (void)rows;  // tiles_begin has told them
  if (is_large) MULTIPLY(0, 1, 2);
  else MULTIPLY(3, 4, 5);
}

#define KERNELS_NAME ck_int8_rows_amx
#include "matmul_int8_tiles.inc"

#pragma clang attribute pop
#endif
