// Products of fp32 matrices that are both made anew each step: gradients of weights and of rows.
#ifndef C_GRADIENTS_PRODUCT_H
#define C_GRADIENTS_PRODUCT_H
#include <CKernels.h>

/// Summands of one chain.
#define CG_DEPTH_BLOCK 256

/// C[i, j] = sum over p of A(i, p) * B(p, j), i in [0, rows), j in [0, columns), p in [0, depth).
/// A(i, p) = a[i * a_row_stride + p * a_column_stride], B(p, j) = b[p * b_row_stride + j * b_column_stride],
/// C[i, j] = c[i * c_stride + j]. Strides count floats; a transposed matrix has them exchanged, a stride of 0 repeats.
/// One of each operand's two is usually 1; others are slower. C overlaps neither A nor B.
///
/// Order of summation, on every instruction set, whichever part of C is asked for: p is cut into blocks of
/// CG_DEPTH_BLOCK; a block's sum is one chain of fused multiply-adds in ascending p from +0; the total is
/// ((block0 + block1) + block2) + …, +0 where depth is 0; then, with `add`, C[i, j] + total.
///
/// With `bf16` both operands are rounded to bf16 first (nearest even, subnormals to zero), of each pair of p, 2q and
/// 2q + 1, the second comes first, as in VDPBF16PS (an odd last p has a zero beside it), and no operation of the total
/// takes or gives a subnormal: they are zeros. C[i, j] + total is plain fp32, as wherever two totals are added.
typedef struct {
  size_t rows, columns, depth;
  const float *a;
  size_t a_row_stride, a_column_stride;
  const float *b;
  size_t b_row_stride, b_column_stride;
  float *c;
  size_t c_stride;
  bool add, bf16;
} cg_product;

/// Floats of scratch that one call of cg_multiply may use; one thread's at a time, aligned to 64 bytes.
size_t cg_product_scratch(void);

/// Computes C, and touches nothing past it.
void cg_multiply(ck_isa isa, const cg_product *product, float *scratch);
#endif
