// y[m, n] = sum over k of x[m, k] * w[n, k] (+ bias[n]), x and y fp32 row-major, w in panels.
//
// A panel holds CK_PANEL consecutive rows of w, interleaved so that a kernel streams it:
//   F32, F16: element (k, lane) at index k * 16 + lane
//   BF16:   element (k, lane) at index k/2 * 32 + lane * 2 + k%2; an odd last k has a zero beside it
//   F8E4M3: bytes as above, padded to a multiple of 64 bytes, then fp32 scales [ceil(k/128)][16]
//   MXFP4:  byte (k/2, lane) at (k/2) * 16 + lane, low nibble = even k, high = odd k; padded to a
//           multiple of 64 bytes, then E8M0 scales [ceil(k/32)][16], padded to a multiple of 64
//   Q8, Q4: levels in blocks of CK_Q_BLOCK columns, k rounded up to whole blocks.
//           Q8: byte k/4 * 64 + lane * 4 + k%4 is level + 128, levels -127 … 127
//           Q4: byte k/8 * 64 + lane * 4 + k%4 is an index into ck_q4_level, low nibble for k%8 < 4, else high
//           then block scale bytes [blocks][16], padded to a multiple of 64; then fp32 row scales [16]
//   GGUF's blocks and INT4 (blocks.h), in groups of 32 columns, k rounded up to 64: a code of each column, without its
//           high bits in fours of columns as Q4's: byte (lane * 4 + k%4) of a line of 64 bytes holds columns
//           k, k + 4, … of as many bits as codes have: 8 (Q8_0), 4, or 2 (Q2_K, Q3_K, IQ1, IQ2, TQ), in as many lines
//           of a group;
//           then, in one line, the high bit of all (Q5_0, Q5_1, Q5_K, Q3_K, IQ1, IQ2), or in two the two high bits
//           (Q6_K), likewise. Q8_0's code is level + 128. Then scales, for each part of 32 or 16 columns a row [16],
//           with a row of minima after it where there are such: f16, bf16 (INT4) or E8M0 (MXFP4), padded to 64 columns;
//           or integers of 8 bits, after those of each 256 columns the rows of d and dmin, f16. INT4 with zeros has
//           them, a byte each, after a part's scales
// Four columns of sixteen rows side by side, 64 bytes, are what VPDPBUSD, SDOT and AMX's tiles take of weights alike.
// Rows past the last are zero, and so is the padding after the elements (level 0). A weight's value is its fp32
// expansion: F8E4M3 fl(value * scale), MXFP4 value * 2^(scale-127) (scale 255 is NaN), Q8 and Q4
// fl(level * blockScale * rowScale), a block scale's byte c being (1 + c%16/16) * 2^(c/16 - 15); of blocks
// fl(level * scale + min), where level * scale is exact, scale = d * s and min = -(dmin * m) where s and m are
// integers. A level of INT4 with zeros is its code less its part's zero.
//
// Order of summation for fp32 rows, for every format of numbers, instruction set, m, and split of n over callers:
// k is cut into blocks of CK_K_BLOCK; a block's sum is one chain of fused multiply-adds in
// ascending k starting from +0; the total is ((block0 + block1) + block2) + …; then + bias. Every kernel multiplies
// exactly a weight's value. Equal bits everywhere, but for NaN: a NaN is a NaN on all, its sign and payload are
// unspecified.
#ifndef C_KERNELS_MATMUL_H
#define C_KERNELS_MATMUL_H
#include "formats.h"

#define CK_K_BLOCK 256

/// Bytes of scratch one call of ck_matmul may use; 64-byte alignment makes it faster. One thread's at a time.
size_t ck_matmul_scratch_bytes(void);

/// Multiplies m rows of x by the n rows of w held in panels (ceil(n/16) of them, adjacent).
/// y[row * y_stride + j], j in [0, n), is written; nothing past it. Strides count floats.
/// m == 0 or n == 0 does nothing; k >= 1. The format must meet such rows (ck_meets). bias may be NULL. An instruction
/// set this build has no kernels for means the reference; one this processor cannot run must not be named
/// (ck_isa_supported).
void ck_matmul(ck_isa isa, ck_format format, const void *panels, size_t n, size_t k, const float *x, size_t x_stride,
               size_t m, const float *bias, float *y, size_t y_stride, void *scratch);

/// The same for bf16 rows (rows.h) and BF16 weights, two products an instruction where the processor has it. Strides of
/// rows count bytes. Order of summation: blocks of 2 * CK_K_BLOCK columns, a block's sum one chain over its pairs in
/// ascending k from +0, sum = fma(x[k+1], w[k+1], sum), then fma(x[k], w[k], sum); totals and bias as above. A
/// subnormal operand or result of each counts as zero; a result is subnormal if it is less than 2^-126 when it has been
/// rounded as if exponents had no end.
void ck_matmul_bf16(ck_isa isa, const void *panels, size_t n, size_t k, const void *rows, size_t row_stride_bytes,
                    size_t m, const float *bias, float *y, size_t y_stride, void *scratch);

/// The same for int8 rows (rows.h) and weights in Q8, Q4 or GGUF's blocks. Order of summation: one chain from +0 over
/// blocks of CK_Q_BLOCK columns, sum = fma(fl(float(integer sum of the block) * blockScale), the row's scale of the
/// block, sum); then times rowScale, then + bias. Of blocks: one chain from +0 over their parts of 32 or 16 columns,
/// sum = fma(fl(float(integer sum of the part) * scale), the row's scale of its 64 columns, sum), and then, where there
/// are minima, sum = fma(min, fl(float(sum of the row's levels in the part) * that scale), sum); then + bias.
void ck_matmul_int8(ck_isa isa, ck_format format, const void *panels, size_t n, size_t k, const void *rows,
                    size_t row_stride_bytes, size_t m, const float *bias, float *y, size_t y_stride, void *scratch);
#endif
