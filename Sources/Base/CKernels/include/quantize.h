// Rounding of weights to Q8 and Q4 (matmul.h), row by row, and their form on disk.
//
// A row of k columns on disk:
//   Q8: int8 levels [k]
//   Q4: bytes [4 * ceil(k/8)]: byte 4j + i holds index 8j + i in its low nibble and 8j + 4 + i in its high one; where a
//       column is missing, the index of level 0
//   block scales, uint8 [ceil(k/64)], and one fp32 row scale
//
// A block's scale is the one of least squared error among the candidates: Q8 from one step below to two above the
// smallest that reaches the largest magnitude, Q4 from ten below to one above; of equal errors the smaller scale. Errors
// are fp32, sixteen lanes of unfused products added in ascending order and then halved. Same bits on every instruction
// set.
#ifndef C_KERNELS_QUANTIZE_H
#define C_KERNELS_QUANTIZE_H
#include "isa.h"
#include "matmul.h"

/// Bytes of one row on disk, scales apart; 0 for formats other than Q8 and Q4.
size_t ck_quantized_row_bytes(ck_format format, size_t k);

/// Rounds one row of k >= 1 columns to Q8 or Q4. A row without any |x| >= 2^-100 is zero with a row scale of zero; one
/// with infinity or NaN is zero with a row scale of NaN.
void ck_quantize_row(ck_isa isa, ck_format format, const float *x, size_t k, void *elements, uint8_t *block_scales,
                     float *row_scale);

/// Writes one lane's block scales [ceil(k/64)] and row scale into a panel of Q8 or Q4.
void ck_set_scales_q(ck_format format, void *panel, size_t k, size_t lane, const uint8_t *block_scales,
                     float row_scale);

/// Expands one stored MXFP4 row, k/2 bytes and k/32 exponents, to fp32.
void ck_expand_mxfp4(const uint8_t *pairs, const uint8_t *exponents, size_t k, float *out);

/// Expands one stored F8E4M3 row to fp32, `scales` being those of its blocks of 128 columns.
void ck_expand_f8(const uint8_t *bytes, const float *scales, size_t k, float *out);
#endif
