// Rows that enter matrix products: as fp32, or rounded to bf16 or int8. Same bits on every instruction set.
#ifndef C_KERNELS_ROWS_H
#define C_KERNELS_ROWS_H
#include "formats.h"

/// BF16: [k rounded up to even], nearest even, subnormals to zero, a padding of zero.
/// INT8: per block of CK_Q_BLOCK columns a scale, max|x| / 127, and levels q = x / scale to nearest even; in a row,
/// int8 levels [k rounded up to blocks] (padding 0), then fp32 scales [blocks], then int16 sums of the levels of each
/// half of a block [2 * blocks]. A block without any |x| >= 2^-100 is zero with a scale of zero; in one with infinity
/// or NaN the levels are 0 and the scale is NaN.
typedef enum { CK_ROWS_F32 = 0, CK_ROWS_BF16 = 1, CK_ROWS_INT8 = 2 } ck_row_format;

/// Whether weights in `format` are multiplied with such rows.
bool ck_meets(ck_format format, ck_row_format rows);

/// Bytes of one row of k columns, a multiple of 64.
size_t ck_row_bytes(ck_row_format format, size_t k);

/// Rounds columns [first, end) of a row of k columns; first is a multiple of CK_Q_BLOCK, and so is end unless it is k.
/// x points to column 0 of the row, row to its start. Pieces of a row may be written by different threads.
void ck_round_row(ck_isa isa, ck_row_format format, const float *x, size_t k, size_t first, size_t end, void *row);
#endif
