// Products of rows with weights in panels: the calls handed to each instruction set's kernels.
#include "../kernels.h"

size_t ck_matmul_scratch_bytes(void) {
  const size_t fp32 = CK_SCRATCH_PANELS * CK_SCRATCH_STRIDE + CK_SCRATCH_ROWS * CK_SCRATCH_ROW_STRIDE * sizeof(float);
  return fp32 > CK_Q_SCRATCH_BYTES ? fp32 : CK_Q_SCRATCH_BYTES;
}

bool ck_meets(ck_format format, ck_row_format rows) {
  switch (rows) {
    case CK_ROWS_F32: return ck_float_rows_reference[format] != NULL;
    case CK_ROWS_BF16: return format == CK_BF16;
    case CK_ROWS_INT8: return ck_int8_rows_reference[format] != NULL;
  }
  return false;
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
  ck_kernels_of[isa]->float_rows[format](&call);
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
  ck_kernels_of[isa]->int8_rows[format](&call);
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
  ck_kernels_of[isa]->bf16_rows(&call);
}
