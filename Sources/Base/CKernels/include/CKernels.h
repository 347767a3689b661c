// The C kernels. Every kernel computes the same bits on every instruction set: vectors are
// sixteen lanes wide by definition (one AVX-512 register, two AVX2, four NEON, an array of
// sixteen in the portable reference), every product-sum is a fused multiply-add, and every
// reduction has one order written down beside the function.
//
// No intrinsic type may appear in these headers: Swift imports them.
#ifndef C_KERNELS_H
#define C_KERNELS_H
#include "isa.h"
#include "formats.h"
#include "blocks.h"
#include "matmul.h"
#include "rows.h"
#include "quantize.h"
#include "elementwise.h"
#include "attention.h"
#include "delta.h"
#include "indexer.h"
#include "fetch.h"
#include "probes.h"
#endif
