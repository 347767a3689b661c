// Rounding of weights to levels: the portable kernels, and the choice of an instruction set.
#include "../kernels.h"

#define NATIVE(name) ck_portable_##name
#include "quantize_kernel.inc"

void ck_quantize_row(ck_isa isa, ck_format format, const float *x, size_t k, void *elements, uint8_t *block_scales,
                     float *row_scale) {
  ck_kernels_of[isa]->quantize[format](x, k, elements, block_scales, row_scale);
}
