// What the files of the int8 matmul share: the geometry of quantised panels and rows, and the call handed to each
// instruction set. Not part of the module's interface.
#ifndef C_KERNELS_MATMUL_INT8_INTERNAL_H
#define C_KERNELS_MATMUL_INT8_INTERNAL_H
#include "../matmul_internal.h"

// Bytes of one panel's columns in one block, where each takes a byte.
#define CK_Q8_BLOCK_BYTES (CK_Q_BLOCK * CK_PANEL)

// Blocks of columns multiplied at a time: rows of a tile and expanded panels stay in the first- and second-level
// caches. Between such runs the sums wait in y.
#define CK_Q_RUN_BLOCKS 64

// Scratch of the int8 kernels: panels expanded to one byte an element, and their block scales in fp32.
#define CK_Q_SCRATCH_PANELS 2
#define CK_Q_SCRATCH_STRIDE (CK_Q_RUN_BLOCKS * CK_Q8_BLOCK_BYTES)
// Scales and minima of at most four parts of a block.
#define CK_Q_SCRATCH_ROWS (8 * CK_PANEL)
#define CK_Q_SCRATCH_SCALES (CK_Q_RUN_BLOCKS * CK_Q_SCRATCH_ROWS)
#define CK_Q_SCRATCH_BYTES (CK_Q_SCRATCH_PANELS * (CK_Q_SCRATCH_STRIDE + CK_Q_SCRATCH_SCALES * sizeof(float)))

typedef struct {
  const uint8_t *panels;
  size_t panel_bytes;
  size_t n, k, m;
  const uint8_t *rows;
  size_t row_stride;  // bytes
  const float *bias;
  float *y;
  size_t y_stride;  // floats
  uint8_t *scratch;
} ck_int8_call;

// The formats that meet int8 rows: of levels, and all.
#define CK_LEVEL_FORMATS(DO) CK_FORMATS(CK_NOTHING, DO)
#define CK_INT8_FORMATS(DO) CK_LEVEL_FORMATS(DO) CK_BLOCK_FORMATS(DO, CK_NOTHING)

typedef void ck_int8_kernel(const ck_int8_call *call);

// Parts of an int8 row of k columns, in this order.
static inline const float *ck_int8_row_scales(const uint8_t *row, size_t k) {
  return (const float *)(const void *)(row + ck_q_blocks(k) * CK_Q_BLOCK);
}
static inline const int16_t *ck_int8_row_sums(const uint8_t *row, size_t k) {
  return (const int16_t *)(const void *)(row + ck_q_blocks(k) * (CK_Q_BLOCK + sizeof(float)));
}
#endif
