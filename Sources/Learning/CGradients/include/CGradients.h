// The arithmetic of backward passes, beside CKernels' forward one and by its rules: every function computes the same
// bits on every instruction set, every product-sum is a fused multiply-add, and each reduction's order is written down
// here. Lane sums are elementwise.h's. But for NaN: a NaN is a NaN on all, its sign and payload are unspecified.
#ifndef C_GRADIENTS_H
#define C_GRADIENTS_H
#include "attention_gradient.h"
#include "delta_gradient.h"
#include "divergence.h"
#include "product.h"
#include "row_gradients.h"
#endif
