// The specification of every matmul kernel, in portable C: one weight row, one block of k, one x row at a time.
#include "../Vectors/flushed.h"
#include "../kernels.h"

#pragma STDC FP_CONTRACT OFF

static void float_rows(ck_format format, const ck_matmul_call *call) {
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

static float bf16_at(const void *pairs, size_t index) {
  uint16_t bits;
  memcpy(&bits, (const uint8_t *)pairs + index * sizeof bits, sizeof bits);
  return flushed(ck_value_bf16(bits));
}

void ck_bf16_rows_reference(const ck_matmul_call *call) {
  for (size_t j = 0; j < call->n; j++) {
    const uint8_t *lane = call->panels + j / CK_PANEL * call->panel_bytes + j % CK_PANEL * 4;
    for (size_t row = 0; row < call->m; row++) {
      float total = 0;
      for (size_t p0 = 0; p0 < call->k; p0 += CK_K_BLOCK) {
        float sum = 0;
        for (size_t p = p0; p < ck_min(p0 + CK_K_BLOCK, call->k); p++) {
          const float *x = call->x + row * call->x_stride + p;
          const uint8_t *w = lane + p * CK_PANEL * 4;
          sum = flushed_fma(bf16_at(x, 1), bf16_at(w, 1), sum);
          sum = flushed_fma(bf16_at(x, 0), bf16_at(w, 0), sum);
        }
        total = p0 == 0 ? sum : flushed(total + sum);
      }
      call->y[row * call->y_stride + j] = call->bias ? flushed(total + flushed(call->bias[j])) : total;
    }
  }
}

static void int8_rows(ck_format format, const ck_int8_call *call) {
  for (size_t j = 0; j < call->n; j++) {
    const size_t lane = j % CK_PANEL;
    const uint8_t *panel = call->panels + j / CK_PANEL * call->panel_bytes;
    const uint8_t *block_scales = panel + ck_panel_element_bytes(format, call->k);
    float row_scale;
    memcpy(&row_scale, panel + call->panel_bytes - (CK_PANEL - lane) * sizeof(float), sizeof row_scale);
    for (size_t row = 0; row < call->m; row++) {
      const uint8_t *x = call->rows + row * call->row_stride;
      float chain = 0;
      for (size_t b = 0; b < ck_q_blocks(call->k); b++) {
        int32_t sum = 0;
        for (size_t k = b * CK_Q_BLOCK; k < (b + 1) * CK_Q_BLOCK; k++) {
          sum += (int8_t)x[k] * (int32_t)ck_panel_element(format, panel, k, lane);
        }
        const float product = (float)sum * ck_q_scale(block_scales[b * CK_PANEL + lane]);
        chain = fmaf(product, ck_int8_row_scales(x, call->k)[b], chain);
      }
      const float scaled = chain * row_scale;
      call->y[row * call->y_stride + j] = call->bias ? scaled + call->bias[j] : scaled;
    }
  }
}

// The same for formats of blocks.
static void block_rows(ck_format format, const ck_int8_call *call) {
  const ck_geometry *const g = &ck_geometries[format];
  for (size_t j = 0; j < call->n; j++) {
    const size_t lane = j % CK_PANEL;
    const uint8_t *panel = call->panels + j / CK_PANEL * call->panel_bytes;
    const uint8_t *scales = panel + ck_panel_element_bytes(format, call->k);
    for (size_t row = 0; row < call->m; row++) {
      const uint8_t *x = call->rows + row * call->row_stride;
      float chain = 0;
      for (size_t first = 0; first < ck_q_blocks(call->k) * CK_Q_BLOCK; first += g->part_columns) {
        int32_t sum = 0, row_sum = 0;
        for (size_t k = first; k < first + g->part_columns; k++) {
          sum += (int8_t)x[k] * ck_block_level(g, panel, scales, k, lane);
          row_sum += (int8_t)x[k];
        }
        const float row_scale = ck_int8_row_scales(x, call->k)[first / CK_Q_BLOCK];
        float min = 0;
        const float scale = ck_block_scale(g, scales, first, lane, &min);
        chain = fmaf((float)sum * scale, row_scale, chain);
        if (g->has_mins) chain = fmaf(min, (float)row_sum * row_scale, chain);
      }
      call->y[row * call->y_stride + j] = call->bias ? chain + call->bias[j] : chain;
    }
  }
}

#define FLOATS_KERNEL(name, NAME) \
  static void name(const ck_matmul_call *call) { float_rows(CK_##NAME, call); }
#define LEVELS_KERNEL(name, NAME) \
  static void name(const ck_int8_call *call) { int8_rows(CK_##NAME, call); }
#define BLOCKS_KERNEL(name, NAME) \
  static void name(const ck_int8_call *call) { block_rows(CK_##NAME, call); }
CK_FORMATS(FLOATS_KERNEL, LEVELS_KERNEL)
CK_BLOCK_FORMATS(BLOCKS_KERNEL, CK_NOTHING)

#define KERNEL(name, NAME) [CK_##NAME] = name,
ck_matmul_kernel *const ck_float_rows_reference[CK_FORMAT_COUNT] = {CK_FORMATS(KERNEL, CK_NOTHING)};
ck_int8_kernel *const ck_int8_rows_reference[CK_FORMAT_COUNT] = {CK_FORMATS(CK_NOTHING, KERNEL)
                                                                     CK_BLOCK_FORMATS(KERNEL, CK_NOTHING)};
