// Packing of row-major and column-major weights into panels.
#include "../Formats/formats.h"
#include "../Vectors/transpose.h"

// Whole 16-byte squares of sixteen rows; returns how many elements of each row were done.
#define DEFINE_PACK_SQUARES(width, side)                                                               \
  static size_t pack_squares##width(const uint8_t *rows, size_t stride, size_t count, uint8_t *out) {  \
    size_t i = 0;                                                                                      \
    for (; i + side <= count; i += side) {                                                             \
      for (size_t row = 0; row < CK_PANEL; row += side) {                                              \
        bytes16 v[side];                                                                               \
        for (size_t j = 0; j < side; j++) memcpy(&v[j], rows + (row + j) * stride + i * width, 16);    \
        transpose##width(v);                                                                           \
        for (size_t j = 0; j < side; j++) memcpy(out + ((i + j) * CK_PANEL + row) * width, &v[j], 16); \
      }                                                                                                \
    }                                                                                                  \
    return i;                                                                                          \
  }
DEFINE_PACK_SQUARES(1, 16)
DEFINE_PACK_SQUARES(2, 8)
DEFINE_PACK_SQUARES(4, 4)

// Element i of row r at from + i * i_stride + r * r_stride, to out[(i * 16 + r)]; lanes past row_count zero.
static void pack_any(const uint8_t *from, size_t i_stride, size_t r_stride, size_t row_count, size_t begin, size_t end,
                     size_t width, uint8_t *out) {
  for (size_t i = begin; i < end; i++) {
    uint8_t *column = out + i * CK_PANEL * width;
    const uint8_t *at = from + i * i_stride;
    if (r_stride == width) {
      memcpy(column, at, row_count * width);
    } else {
      for (size_t r = 0; r < row_count; r++) {
        for (size_t b = 0; b < width; b++) column[r * width + b] = at[r * r_stride + b];
      }
    }
    memset(column + row_count * width, 0, (CK_PANEL - row_count) * width);
  }
}

// Whole contiguous columns of sixteen elements, each `bytes` long.
#define DEFINE_PACK_LINES(bytes)                                                                  \
  static void pack_lines##bytes(const uint8_t *from, size_t stride, size_t count, uint8_t *out) { \
    for (size_t i = 0; i < count; i++) {                                                          \
      __builtin_prefetch((const void *)((uintptr_t)from + (i + 16) * stride));                    \
      memcpy(out + i * bytes, from + i * stride, bytes);                                          \
    }                                                                                             \
  }
DEFINE_PACK_LINES(16)
DEFINE_PACK_LINES(32)
DEFINE_PACK_LINES(64)

static void fill_units(uint8_t *at, uint32_t value, size_t count) {
  for (size_t i = 0; i < count; i++) memcpy(at + 4 * i, &value, sizeof value);
}

// The padding after a panel's elements is cleared with the last column, so that equal weights are equal bytes; and
// where rows have scales of their own all that is not some row's scale.
static void clear_padding(ck_format format, size_t row_count, size_t k, uint8_t *panel) {
  const ck_geometry *const g = &ck_geometries[format];
  uint8_t *const used = panel + ck_element_offset(format, ck_blocks(k, g->unit_columns) * g->unit_columns);
  uint8_t *const scales = panel + ck_panel_element_bytes(format, k);
  fill_units(used, g->zero, (size_t)(scales - used) / 4);
  if (!g->has_row_scales) return;
  const size_t scale_bytes = ck_blocks(k, g->scale_columns) * g->scale_bytes * CK_PANEL,
               row = g->scale_bytes * CK_PANEL;
  uint8_t *const row_scales = scales + ck_panel_scale_bytes(format, k);
  for (size_t at = 0; at < scale_bytes; at += row) {
    memset(scales + at + row_count * g->scale_bytes, 0, (CK_PANEL - row_count) * g->scale_bytes);
  }
  memset(scales + scale_bytes, 0, (size_t)(row_scales - scales) - scale_bytes);
  memset(row_scales + row_count * sizeof(float), 0, (CK_PANEL - row_count) * sizeof(float));
}

// Units of zeros and stored levels to what a panel holds: bits flipped, and level 0 in the lanes past the last row.
static void finish_levels(const ck_geometry *g, size_t row_count, size_t count, uint8_t *out) {
  if (g->flip) {
    for (size_t i = 0; i < count * CK_PANEL * g->unit_bytes; i++) out[i] ^= g->flip;
  }
  if (g->zero == 0 || row_count == CK_PANEL) return;
  for (size_t i = 0; i < count; i++) {
    fill_units(out + (i * CK_PANEL + row_count) * g->unit_bytes, g->zero, (CK_PANEL - row_count) * g->unit_bytes / 4);
  }
}

// Columns of two bytes, two at a time: interleaved.
static void pack_column_pairs(const uint8_t *from, size_t i_stride, size_t r_stride, size_t row_count, size_t count,
                              uint8_t *out) {
  for (size_t i = 0; i < count; i += 2, out += CK_PANEL * 4) {
    const uint8_t *const even = from + i * i_stride, *const odd = even + i_stride;
    if (row_count == CK_PANEL && r_stride == 2 && i + 1 < count) {
      __builtin_prefetch((const void *)((uintptr_t)even + 16 * i_stride));
      __builtin_prefetch((const void *)((uintptr_t)odd + 16 * i_stride));
      for (size_t half = 0; half < 2; half++) {
        bytes16 a, b;
        memcpy(&a, even + 16 * half, sizeof a);
        memcpy(&b, odd + 16 * half, sizeof b);
        const bytes16 low = interleave_low2(a, b), high = interleave_high2(a, b);
        memcpy(out + 32 * half, &low, sizeof low);
        memcpy(out + 32 * half + 16, &high, sizeof high);
      }
      continue;
    }
    memset(out, 0, CK_PANEL * 4);
    for (size_t r = 0; r < row_count; r++) {
      memcpy(out + 4 * r, even + r * r_stride, 2);
      if (i + 1 < count) memcpy(out + 4 * r + 2, odd + r * r_stride, 2);
    }
  }
}

void ck_pack_rows(ck_format format, const void *rows, size_t row_stride_bytes, size_t row_count, size_t k0,
                  size_t k_count, size_t k, void *panel) {
  const ck_geometry *const g = &ck_geometries[format];
  if (g->block_columns) {
    ck_pack_blocks(format, rows, row_stride_bytes, row_count, k0, k_count, k, panel);
    return;
  }
  const size_t bytes = ck_stored_bytes(format, k_count), width = g->unit_bytes;
  const size_t count = bytes / width, partial = bytes % width;
  uint8_t *out = (uint8_t *)panel + ck_element_offset(format, k0);
  row_count = ck_min(row_count, CK_PANEL);
  size_t done = 0;
  if (row_count == CK_PANEL) {
    switch (width) {
      case 1: done = pack_squares1(rows, row_stride_bytes, count, out); break;
      case 2: done = pack_squares2(rows, row_stride_bytes, count, out); break;
      default: done = pack_squares4(rows, row_stride_bytes, count, out);
    }
  }
  pack_any(rows, width, row_stride_bytes, row_count, done, count, width, out);
  if (partial) {
    uint8_t *const column = out + count * CK_PANEL * width;
    memset(column, 0, CK_PANEL * width);
    for (size_t r = 0; r < row_count; r++) {
      memcpy(column + r * width, (const uint8_t *)rows + r * row_stride_bytes + count * width, partial);
    }
  }
  finish_levels(g, row_count, count + (partial > 0), out);
  if (k0 + k_count == k) clear_padding(format, row_count, k, panel);
}

void ck_pack_columns(ck_format format, const void *columns, size_t column_stride_bytes, size_t element_stride_bytes,
                     size_t row_count, size_t k0, size_t k_count, size_t k, void *panel) {
  const ck_geometry *const g = &ck_geometries[format];
  // Columns that share bytes, or blocks, come in rows only.
  if (g->unit_columns > g->unit_bytes || g->has_row_scales || g->block_columns) return;
  uint8_t *out = (uint8_t *)panel + ck_element_offset(format, k0);
  const size_t width = g->unit_bytes / g->unit_columns;
  row_count = ck_min(row_count, CK_PANEL);
  if (g->unit_columns == 2) {
    pack_column_pairs(columns, column_stride_bytes, element_stride_bytes, row_count, k_count, out);
  } else if (row_count < CK_PANEL || element_stride_bytes != width) {
    pack_any(columns, column_stride_bytes, element_stride_bytes, row_count, 0, k_count, width, out);
  } else if (width == 1) {
    pack_lines16(columns, column_stride_bytes, k_count, out);
  } else if (width == 2) {
    pack_lines32(columns, column_stride_bytes, k_count, out);
  } else {
    pack_lines64(columns, column_stride_bytes, k_count, out);
  }
  if (k0 + k_count == k) clear_padding(format, row_count, k, panel);
}
