// Packing of GGUF's blocks into panels: codes and scales rearranged, none changed.
#include "Formats/formats.h"

// Codes of four columns.
static uint32_t four_codes(const uint8_t *codes, size_t four) {
  uint32_t word;
  memcpy(&word, codes + 4 * four, sizeof word);
  return word;
}

// One lane's codes of CK_GROUP columns: in each line four bytes, of which each byte has one column's bits beside those of
// the fours of columns that follow.
static void put_group(const ck_geometry *g, const uint8_t *codes, uint8_t *lane) {
  const size_t fours = 8 / g->low_bits;
  const uint32_t low = 0x01010101u * ((1u << g->low_bits) - 1);
  for (size_t line = 0; line < g->low_bits; line++) {
    uint32_t word = 0;
    for (size_t i = 0; i < fours; i++) word |= (four_codes(codes, line * fours + i) & low) << i * g->low_bits;
    memcpy(lane + 64 * line, &word, sizeof word);
  }
  if (g->high_bits == 0) return;
  const size_t highs = 8 / g->high_bits;
  const uint32_t high = 0x01010101u * ((1u << g->high_bits) - 1);
  for (size_t line = 0; line < g->high_bits; line++) {
    uint32_t word = 0;
    for (size_t i = 0; i < highs; i++) {
      word |= (four_codes(codes, line * highs + i) >> g->low_bits & high) << i * g->high_bits;
    }
    memcpy(lane + 64 * (g->low_bits + line), &word, sizeof word);
  }
}

// One lane's scales of the block whose first column is k.
static void put_scales(const ck_geometry *g, const ck_block *block, size_t k, size_t lane, uint8_t *scales) {
  const size_t record_columns = ck_record_blocks(g) * CK_Q_BLOCK, kinds = g->has_mins ? 2 : 1, bytes = ck_part_bytes(g);
  uint8_t *const record = scales + k / record_columns * ck_record_bytes(g);
  uint8_t *at = record + k % record_columns / g->part_columns * kinds * bytes;
  if (g->part_scales < CK_PARTS_UNSIGNED) {
    const size_t width = bytes / CK_PANEL;
    memcpy(at + lane * width, &block->d, width);
    if (g->has_mins) memcpy(at + bytes + lane * width, &block->m, width);
    return;
  }
  const size_t parts = g->block_columns / g->part_columns;
  for (size_t part = 0; part < parts; part++, at += kinds * bytes) {
    at[lane] = block->scales[part];
    if (g->has_mins) at[bytes + lane] = block->mins[part];
  }
  memcpy(at + lane * sizeof block->d, &block->d, sizeof block->d);
  if (g->has_mins) memcpy(at + (CK_PANEL + lane) * sizeof block->m, &block->m, sizeof block->m);
}

void ck_pack_blocks(ck_format format, const uint8_t *rows, size_t row_stride_bytes, size_t row_count, size_t k0,
                    size_t k_count, size_t k, uint8_t *panel) {
  const ck_geometry *const g = &ck_geometries[format];
  if (g->low_bits == 0) return;
  uint8_t *const scales = panel + ck_panel_element_bytes(format, k);
  for (size_t lane = 0; lane < CK_PANEL; lane++) {
    // Lanes past the last row are zeros.
    ck_block block = {.d = 0};
    const uint8_t *stored = rows + lane * row_stride_bytes;
    for (size_t at = k0; at < k0 + k_count; at += g->block_columns, stored += g->block_bytes) {
      if (lane < row_count) ck_codecs[format].decode(stored, &block);
      for (size_t group = 0; group < g->block_columns / CK_GROUP; group++) {
        put_group(g, block.codes + group * CK_GROUP, panel + (at / CK_GROUP + group) * ck_group_bytes(g) + 4 * lane);
      }
      put_scales(g, &block, at, lane, scales);
    }
  }
  if (k0 + k_count < k) return;
  // The padding after the elements, that after a record's scales, and that after all.
  uint8_t *const elements = panel + k / CK_GROUP * ck_group_bytes(g);
  memset(elements, 0, (size_t)(scales - elements));
  const size_t columns = ck_record_blocks(g) * CK_Q_BLOCK;
  uint8_t *const used = scales + k / columns * ck_record_bytes(g) +
                        k % columns / g->part_columns * ck_part_bytes(g) * (g->has_mins ? 2 : 1);
  memset(used, 0, (size_t)(scales + ck_panel_scale_bytes(format, k) - used));
}

bool ck_scales_are_finite(ck_format format, const void *elements, size_t count) {
  const ck_geometry *const g = &ck_geometries[format];
  if (g->block_columns == 0) return true;
  const uint8_t *stored = elements;
  bool finite = true;
  for (size_t first = 0; first < count; first += g->block_columns, stored += g->block_bytes) {
    if (g->scattered_scale) {
      ck_block block;
      ck_codecs[format].decode(stored, &block);
      finite &= (block.d & 0x7C00) != 0x7C00;
    } else if (g->part_scales == CK_PARTS_EXPONENT) {
      finite &= stored[g->scale_at] != 255;
    } else if (g->part_scales == CK_PARTS_BFLOAT) {
      finite &= (block_u16(stored + g->scale_at) & 0x7F80) != 0x7F80;
    } else if (g->low_bits) {
      finite &= (block_u16(stored + g->scale_at) & 0x7C00) != 0x7C00;
      finite &= !g->has_mins || (block_u16(stored + g->scale_at + 2) & 0x7C00) != 0x7C00;
    } else {
      float values[CK_MOST_BLOCK_COLUMNS], sum = 0;
      ck_codecs[format].expand_stored(stored, NULL, g->block_columns, values);
      for (size_t i = 0; i < g->block_columns; i++) sum += 0 * values[i];
      finite &= sum == 0;
    }
  }
  return finite;
}
