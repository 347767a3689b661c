// Products of rows with weights in every format, of any numbers.
#ifndef SANITIZED_PRODUCTS_H
#define SANITIZED_PRODUCTS_H
#include "buffers.h"

// Whether a row of k columns is whole on disk: blocks are.
static bool is_whole(ck_format format, size_t k) {
  if (format == CK_MXFP4) return k % 32 == 0;
  return ck_block_columns(format) == 0 || k % ck_block_columns(format) == 0;
}

// Bytes that make common numbers; of the other kinds any, or those of which integers at their ends are made.
static uint8_t stored_byte(void) {
  static const uint8_t ends[] = {0x80, 0x7F, 0x81, 0xFF, 0x00, 0x01, 0xF0, 0x0F};
  if (kind == TAME) return (uint8_t)(number() * 30 + 60);
  return kind == EXTREME ? ends[bits() % sizeof ends] : (uint8_t)bits();
}

// A row of weights as it is on disk. Only wild ones have scales that are no numbers.
static void *stored(ck_format format, size_t k, size_t *bytes) {
  *bytes = ck_stored_bytes(format, k);
  uint8_t *row = allocated(*bytes);
  if (kind != TAME && (format == CK_F32 || format == CK_BF16)) {
    // Big-endian machines have no kernels here.
    const size_t width = *bytes / k;
    for (size_t i = 0; i < k; i++) {
      const float value = number();
      memcpy(row + i * width, (const uint8_t *)&value + sizeof value - width, width);
    }
    return row;
  }
  const size_t columns = ck_block_columns(format) ? ck_block_columns(format) : k;
  const size_t block = ck_stored_bytes(format, columns);
  for (size_t at = 0; at < *bytes; at += block) {
    const bool is_free = kind == WILD && bits() % 16 == 0;
    do {
      for (size_t i = 0; i < block; i++) row[at + i] = bits() % 8 ? stored_byte() : (uint8_t)bits();
    } while (!is_free && !ck_scales_are_finite(format, row + at, columns));
  }
  return row;
}

static void pack(ck_format format, size_t n, size_t k, uint8_t *panels) {
  size_t panel_bytes = ck_panel_bytes(format, k);
  for (size_t row = 0; row < n; row += CK_PANEL) {
    size_t count = n - row < CK_PANEL ? n - row : CK_PANEL, bytes = ck_stored_bytes(format, k);
    uint8_t *panel = panels + row / CK_PANEL * panel_bytes;
    uint8_t *rows = allocated(count * bytes);
    for (size_t i = 0; i < count; i++) {
      uint8_t *one = stored(format, k, &bytes);
      memcpy(rows + i * bytes, one, bytes);
      free(one);
    }
    ck_pack_rows(format, rows, bytes, count, 0, k, k, panel);
    for (size_t lane = 0; lane < count; lane++) {
      if (ck_block_columns(format)) {
        float *row = allocated(k * sizeof(float));
        ck_expand(format, rows + lane * bytes, NULL, k, row);
        free(row);
      }
      if (ck_scale_columns(format) == 0) continue;
      size_t blocks = (k + ck_scale_columns(format) - 1) / ck_scale_columns(format);
      float *scales = numbers(blocks);
      // Other formats' scales are a byte.
      uint8_t *bytes_of_scales = allocated(blocks);
      for (size_t b = 0; b < blocks; b++) {
        bytes_of_scales[b] = kind == TAME ? (format == CK_MXFP4 ? 126 : 200) : (uint8_t)bits();
      }
      const void *own = format == CK_F8E4M3 ? (const void *)scales : bytes_of_scales;
      ck_set_scales(format, panel, k, lane, own, number());
      float *row = allocated(k * sizeof(float));
      ck_expand(format, rows + lane * bytes, own, k, row);
      free(row), free(scales), free(bytes_of_scales);
    }
    float *expanded = allocated(k * sizeof(float));
    ck_expand_panel_row(format, panel, k, count - 1, expanded);
    free(expanded), free(rows);
  }
}

// A row of int8: levels, scales, and sums of levels. One of bf16: halves.
static void hold_row(ck_row_format form, const uint8_t *row, const uint8_t *expected, size_t k, ck_isa isa) {
  size_t blocks = (k + CK_Q_BLOCK - 1) / CK_Q_BLOCK, scales = blocks * CK_Q_BLOCK, sums = scales + 4 * blocks;
  if (form == CK_ROWS_BF16) {
    hold(row, expected, k * 2, "a row of bf16", isa, k, 0);
    return;
  }
  hold(row, expected, scales, "a row's levels", isa, k, 0);
  hold_numbers((const void *)(row + scales), (const void *)(expected + scales), blocks, "a row's scales", isa, k, 0);
  hold(row + sums, expected + sums, 4 * blocks, "a row's sums of levels", isa, k, 0);
}

static void product(ck_isa isa, ck_format format, size_t m, size_t n, size_t k, bool has_bias, bool only_int8) {
  uint8_t *panels = aligned((n + CK_PANEL - 1) / CK_PANEL * ck_panel_bytes(format, k));
  pack(format, n, k, panels);
  void *scratch = aligned((ck_matmul_scratch_bytes() + 63) / 64 * 64);
  float *x = numbers(m * k), *bias = has_bias ? numbers(n) : NULL;
  for (size_t i = 0; kind == LEAST && has_bias && i < n; i++) bias[i] *= number();
  float *y = numbers(m * n), *expected = copy(y, m * n);
  bool is_int8 = ck_meets(format, CK_ROWS_INT8);
  if (is_int8 || format == CK_BF16) {
    ck_row_format form = is_int8 ? CK_ROWS_INT8 : CK_ROWS_BF16;
    size_t stride = ck_row_bytes(form, k);
    uint8_t *rows = aligned(m * stride), *others = aligned(m * stride);
    for (size_t i = 0; i < m; i++) {
      ck_round_row(isa, form, x + i * k, k, 0, k, rows + i * stride);
      ck_round_row(CK_ISA_REFERENCE, form, x + i * k, k, 0, k, others + i * stride);
      hold_row(form, rows + i * stride, others + i * stride, k, isa);
    }
    for (int reference = 0; reference < 2; reference++) {
      ck_isa set = reference ? CK_ISA_REFERENCE : isa;
      float *out = reference ? expected : y;
      if (is_int8) ck_matmul_int8(set, format, panels, n, k, rows, stride, m, bias, out, n, scratch);
      else ck_matmul_bf16(set, panels, n, k, rows, stride, m, bias, out, n, scratch);
    }
    hold_numbers(y, expected, m * n, "a product of rounded rows", isa, format, k);
    free(rows), free(others);
  }
  if (ck_meets(format, CK_ROWS_F32) && !only_int8) {
    ck_matmul(isa, format, panels, n, k, x, k, m, bias, y, n, scratch);
    ck_matmul(CK_ISA_REFERENCE, format, panels, n, k, x, k, m, bias, expected, n, scratch);
    hold_numbers(y, expected, m * n, "a product", isa, format, k);
  }
  free(panels), free(scratch), free(x), free(bias), free(y), free(expected);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

// All small sizes; the longest also at the sizes of tiles and past a run of blocks.
static void products(ck_isa isa, bool only_int8) {
  static const size_t rows[] = {1, 2, 3, 4, 5, 6, 7, 8, 13, 17, 33}, columns[] = {1, 15, 16, 17, 33, 70, 130};
  static const size_t lengths[] = {1, 2, 7, 31, 32, 63, 64, 65, 127, 256, 257, 520, 768, 1280, 4352};
  for (ck_format format = CK_F32; format < CK_FORMAT_COUNT; format++) {
    if (ck_panel_bytes(format, 64) == 0 || (only_int8 && !ck_meets(format, CK_ROWS_INT8))) continue;
    for (size_t i = 0; i < COUNT(lengths); i++) {
      const size_t k = lengths[i];
      if (!is_whole(format, k)) continue;
      const bool is_long = k > 520, is_shorter = only_int8 && ck_block_columns(format) == 0 && k != 65 && k != 520;
      for (size_t m = 0; m < COUNT(rows); m++)
        for (size_t n = 0; n < COUNT(columns); n++) {
          if (is_long && (columns[n] != 33 || (rows[m] != 1 && rows[m] < 8))) continue;
          if (is_shorter && (columns[n] % 16 || rows[m] < 8)) continue;
          if (only_int8 && columns[n] == 70 && rows[m] != 13) continue;
          // More panels at once than that have few rows of what meets fp32 rows only.
          if (columns[n] == 130 && (rows[m] > 4 || k > 257 || !ck_meets(format, CK_ROWS_F32))) continue;
          for (kind = TAME; kind < KINDS; kind++) {
            // The other kinds at sizes that every kernel's ways of working have.
            if (kind != TAME && (columns[n] != 17 || rows[m] % 4 != 1)) continue;
            if (kind == LEAST && format != CK_F32 && format != CK_BF16) continue;
            product(isa, format, rows[m], columns[n], k, (rows[m] + n + i) % 2, only_int8);
          }
          kind = TAME;
        }
    }
  }
}
#endif
