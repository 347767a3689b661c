// Matmul over panels: geometry, single weights, and the choice of instruction set.
#include "matmul_int8_internal.h"

size_t ck_panel_bytes(ck_format format, size_t k) {
  size_t bytes = ck_panel_element_bytes(format, k);
  if (format == CK_F8E4M3) {
    bytes += (k + CK_F8_SCALE_BLOCK - 1) / CK_F8_SCALE_BLOCK * CK_PANEL * sizeof(float);
  } else if (format == CK_MXFP4) {
    bytes += ck_round64((k + CK_MXFP4_SCALE_BLOCK - 1) / CK_MXFP4_SCALE_BLOCK * CK_PANEL);
  } else if (format == CK_Q8 || format == CK_Q4) {
    bytes += ck_round64(ck_q_blocks(k) * CK_PANEL) + CK_PANEL * sizeof(float);
  }
  return bytes;
}

size_t ck_matmul_scratch_bytes(void) {
  const size_t fp32 = CK_SCRATCH_PANELS * CK_SCRATCH_STRIDE + CK_SCRATCH_ROWS * CK_SCRATCH_ROW_STRIDE * sizeof(float);
  return fp32 > CK_Q_SCRATCH_BYTES ? fp32 : CK_Q_SCRATCH_BYTES;
}

static uint16_t read_u16(const uint8_t *at) {
  uint16_t bits;
  memcpy(&bits, at, sizeof bits);
  return bits;
}

static float read_f32(const uint8_t *at) {
  float value;
  memcpy(&value, at, sizeof value);
  return value;
}

int ck_q_panel_level(ck_format format, const uint8_t *panel, size_t k, size_t lane) {
  if (format == CK_Q8) return panel[(k / 4 * CK_PANEL + lane) * 4 + k % 4] - 128;
  const uint8_t byte = panel[(k / 8 * CK_PANEL + lane) * 4 + k % 4];
  return ck_q4_level[k % 8 < 4 ? byte & 15 : byte >> 4];
}

float ck_weight(ck_format format, const uint8_t *panel, size_t k_count, size_t k, size_t lane) {
  const uint8_t *scales = panel + ck_panel_element_bytes(format, k_count);
  const size_t index = k * CK_PANEL + lane;
  switch (format) {
    case CK_F32: return read_f32(panel + index * 4);
    case CK_BF16: return ck_value_bf16(read_u16(panel + (k / 2 * CK_PANEL + lane) * 4 + k % 2 * 2));
    case CK_F16: return ck_value_f16(read_u16(panel + index * 2));
    case CK_F8E4M3: {
      const size_t scale_index = k / CK_F8_SCALE_BLOCK * CK_PANEL + lane;
      return ck_value_f8e4m3(panel[index]) * read_f32(scales + scale_index * 4);
    }
    case CK_MXFP4: {
      const uint8_t pair = panel[k / 2 * CK_PANEL + lane];
      const float value = ck_value_fp4(k % 2 ? pair >> 4 : pair);
      return value * ck_value_e8m0(scales[k / CK_MXFP4_SCALE_BLOCK * CK_PANEL + lane]);
    }
    case CK_Q8:
    case CK_Q4: {
      const float row_scale = read_f32(panel + ck_panel_bytes(format, k_count) - (CK_PANEL - lane) * 4);
      return (float)ck_q_panel_level(format, panel, k, lane) * ck_q_scale(scales[k / CK_Q_BLOCK * CK_PANEL + lane]) *
             row_scale;
    }
  }
  return 0;
}

void ck_expand_panel_row(ck_format format, const void *panel, size_t k, size_t lane, float *out) {
  for (size_t i = 0; i < k; i++) out[i] = ck_weight(format, panel, k, i, lane);
}

void ck_expand(ck_format format, const void *elements, size_t count, float *out) {
  const uint8_t *at = elements;
  switch (format) {
    case CK_F32: memcpy(out, at, count * sizeof(float)); return;
    case CK_BF16:
      for (size_t i = 0; i < count; i++) out[i] = ck_value_bf16(read_u16(at + 2 * i));
      return;
    case CK_F16:
      for (size_t i = 0; i < count; i++) out[i] = ck_value_f16(read_u16(at + 2 * i));
      return;
    case CK_F8E4M3:
      for (size_t i = 0; i < count; i++) out[i] = ck_value_f8e4m3(at[i]);
      return;
    case CK_MXFP4:
    case CK_Q8:
    case CK_Q4: return;
  }
}

void ck_matmul(ck_isa isa, ck_format format, const void *panels, size_t n, size_t k, const float *x, size_t x_stride,
               size_t m, const float *bias, float *y, size_t y_stride, void *scratch) {
  if (m == 0 || n == 0 || k == 0) return;
  const ck_matmul_call call = {.panels = panels,
                               .panel_bytes = ck_panel_bytes(format, k),
                               .n = n,
                               .k = k,
                               .m = m,
                               .x = x,
                               .x_stride = x_stride,
                               .bias = bias,
                               .y = y,
                               .y_stride = y_stride,
                               .scratch = scratch};
  switch (isa) {
#if defined(__x86_64__)
    case CK_ISA_AVX2: ck_matmul_avx2(format, &call); return;
    case CK_ISA_AVX512: ck_matmul_avx512(format, &call); return;
#elif defined(__aarch64__)
    case CK_ISA_NEON: ck_matmul_neon(format, &call); return;
#endif
    default: ck_matmul_reference(format, &call);
  }
}

void ck_matmul_int8(ck_isa isa, ck_format format, const void *panels, size_t n, size_t k, const void *rows,
                    size_t row_stride_bytes, size_t m, const float *bias, float *y, size_t y_stride, void *scratch) {
  if (m == 0 || n == 0 || k == 0) return;
  const ck_int8_call call = {.panels = panels,
                             .panel_bytes = ck_panel_bytes(format, k),
                             .n = n,
                             .k = k,
                             .m = m,
                             .rows = rows,
                             .row_stride = row_stride_bytes,
                             .bias = bias,
                             .y = y,
                             .y_stride = y_stride,
                             .scratch = scratch};
  switch (isa) {
#if defined(__x86_64__)
    case CK_ISA_AVX2: ck_int8_avx2(format, &call); return;
    case CK_ISA_AVX512: (ck_features().int8_dot ? ck_int8_avx512 : ck_int8_avx2)(format, &call); return;
#elif defined(__aarch64__)
    case CK_ISA_NEON: (ck_features().int8_dot ? ck_int8_neon_dotprod : ck_int8_neon)(format, &call); return;
#endif
    default: ck_int8_reference(format, &call);
  }
}

void ck_matmul_bf16(ck_isa isa, const void *panels, size_t n, size_t k, const void *rows, size_t row_stride_bytes,
                    size_t m, const float *bias, float *y, size_t y_stride, void *scratch) {
  if (m == 0 || n == 0 || k == 0) return;
  // A pair of columns is what one column is to the kernels: four bytes of each operand.
  const ck_matmul_call call = {.panels = panels,
                               .panel_bytes = ck_panel_bytes(CK_BF16, k),
                               .n = n,
                               .k = (k + 1) / 2,
                               .m = m,
                               .x = rows,
                               .x_stride = row_stride_bytes / sizeof(float),
                               .bias = bias,
                               .y = y,
                               .y_stride = y_stride,
                               .scratch = scratch};
  switch (isa) {
#if defined(__x86_64__)
    case CK_ISA_AVX2: ck_bf16_avx2(&call); return;
    case CK_ISA_AVX512: (ck_features().bf16_dot ? ck_bf16_avx512 : ck_bf16_avx2)(&call); return;
#elif defined(__aarch64__)
    case CK_ISA_NEON: ck_bf16_neon(&call); return;
#endif
    default: ck_bf16_reference(&call);
  }
}
