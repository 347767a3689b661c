// The specification of every matmul kernel, in portable C: one weight row, one block of k, one x row at a time.
#include "matmul_internal.h"

#pragma STDC FP_CONTRACT OFF

void ck_matmul_reference(ck_format format, const ck_matmul_call *call) {
  for (size_t j = 0; j < call->n; j++) {
    const uint8_t *panel = call->panels + j / CK_PANEL * call->panel_bytes;
    for (size_t k0 = 0; k0 < call->k; k0 += CK_K_BLOCK) {
      const size_t count = ck_min(CK_K_BLOCK, call->k - k0);
      float weights[CK_K_BLOCK];
      for (size_t i = 0; i < count; i++) weights[i] = ck_weight(format, panel, call->k, k0 + i, j % CK_PANEL);
      for (size_t row = 0; row < call->m; row++) {
        const float *x = call->x + row * call->x_stride + k0;
        float *y = call->y + row * call->y_stride + j;
        float sum = 0;
        for (size_t i = 0; i < count; i++) sum = fmaf(x[i], weights[i], sum);
        *y = k0 == 0 ? sum : *y + sum;
      }
    }
    if (call->bias) {
      for (size_t row = 0; row < call->m; row++) call->y[row * call->y_stride + j] += call->bias[j];
    }
  }
}
