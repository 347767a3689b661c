// Rounding of weights to the formats of levels, Q8 and Q4 (matmul.h), row by row, and their form on disk.
//
// A row of k columns on disk:
//   Q8: int8 levels [k]
//   Q4: bytes [4 * ceil(k/8)]: byte 4j + i holds index 8j + i in its low nibble and 8j + 4 + i in its high one; where a
//       column is missing, the index of level 0
//   block scales, uint8 [ceil(k/64)], and one fp32 row scale
//
// A block's scale is the one of least squared error among the candidates: Q8 from one step below to two above the
// smallest that reaches the largest magnitude, Q4 from ten below to one above; of equal errors the smaller scale.
// Errors are fp32, sixteen lanes of unfused products added in ascending order and then halved. Same bits on every
// instruction set.
#ifndef C_KERNELS_QUANTIZE_H
#define C_KERNELS_QUANTIZE_H
#include "formats.h"

/// Rounds one row of k >= 1 columns to Q8 or Q4: ck_stored_bytes of elements, and scales. A row without any |x| >=
/// 2^-100 is zero with a row scale of zero; one with infinity or NaN is zero with a row scale of NaN.
void ck_quantize_row(ck_isa isa, ck_format format, const float *x, size_t k, void *elements, uint8_t *block_scales,
                     float *row_scale);
#endif
