// Packing of GGUF's blocks into panels: codes and scales rearranged, none changed. Blocks of sixteen rows are taken
// apart beside each other, and then everything is done for all lanes at once.
#include <stddef.h>

#include "../Formats/formats.h"
#include "../Vectors/transpose.h"

#define INLINE static inline __attribute__((always_inline))

// Codes of four columns of each lane.
typedef uint32_t fours16 __attribute__((vector_size(64)));
enum { FOURS = CK_GROUP / 4 };

typedef void decode_of(const uint8_t *stored, ck_block *block);

// The codes of a group of columns, each lane's `stride` from the one before, turned: fours of columns of all lanes.
INLINE void gather_group(const uint8_t *codes, size_t stride, fours16 out[FOURS]) {
#pragma clang loop unroll(full)
  for (size_t half = 0; half < 2; half++) {
#pragma clang loop unroll(full)
    for (size_t lane = 0; lane < CK_PANEL; lane += 4) {
      bytes16 v[4];
      for (size_t j = 0; j < 4; j++) memcpy(&v[j], codes + (lane + j) * stride + 16 * half, sizeof v[j]);
      transpose4(v);
      for (size_t j = 0; j < 4; j++) memcpy((uint8_t *)&out[4 * half + j] + 4 * lane, &v[j], sizeof v[j]);
    }
  }
}

// In each line four bytes of each lane, of which each byte has one column's bits beside those of the fours of columns
// that follow.
INLINE void put_group(const ck_geometry *g, const fours16 codes[FOURS], uint8_t *lines) {
  const size_t fours = 8 / g->low_bits;
  const uint32_t low = 0x01010101u * ((1u << g->low_bits) - 1);
#pragma clang loop unroll(full)
  for (size_t line = 0; line < g->low_bits; line++) {
    fours16 word = codes[line * fours] & low;
    for (size_t i = 1; i < fours; i++) word |= (codes[line * fours + i] & low) << (uint32_t)(i * g->low_bits);
    memcpy(lines + 64 * line, &word, sizeof word);
  }
  if (g->high_bits == 0) return;
  const size_t highs = 8 / g->high_bits;
  const uint32_t high = 0x01010101u * ((1u << g->high_bits) - 1);
#pragma clang loop unroll(full)
  for (size_t line = 0; line < g->high_bits; line++) {
    fours16 word = codes[line * highs] >> (uint32_t)g->low_bits & high;
    for (size_t i = 1; i < highs; i++) {
      word |= (codes[line * highs + i] >> (uint32_t)g->low_bits & high) << (uint32_t)(i * g->high_bits);
    }
    memcpy(lines + 64 * (g->low_bits + line), &word, sizeof word);
  }
}

// Sixteen bytes of each lane, those of block 0 at `from`, turned: the first `count` of them, `step` apart.
INLINE void put_bytes(const uint8_t *from, size_t count, size_t step, uint8_t *out) {
  bytes16 v[CK_PANEL];
  for (size_t lane = 0; lane < CK_PANEL; lane++) memcpy(&v[lane], from + lane * sizeof(ck_block), sizeof v[lane]);
  transpose1(v);
  for (size_t i = 0; i < count; i++) memcpy(out + i * step, &v[i], sizeof v[i]);
}

// All lanes' scales of the blocks whose first column is k.
INLINE void put_scales(const ck_geometry *g, const ck_block blocks[CK_PANEL], size_t k, uint8_t *scales) {
  const size_t record_columns = ck_record_blocks(g) * CK_Q_BLOCK, step = ck_part_stride(g), bytes = ck_part_bytes(g);
  uint8_t *const record = scales + k / record_columns * ck_record_bytes(g);
  uint8_t *const at = record + k % record_columns / g->part_columns * step;
  uint16_t d[CK_PANEL], m[CK_PANEL];
  for (size_t lane = 0; lane < CK_PANEL; lane++) {
    d[lane] = blocks[lane].d;
    m[lane] = blocks[lane].m;
  }
  if (g->part_scales == CK_PARTS_EXPONENT) {
    for (size_t lane = 0; lane < CK_PANEL; lane++) at[lane] = (uint8_t)d[lane];
    return;
  }
  if (g->part_scales < CK_PARTS_UNSIGNED) {
    memcpy(at, d, sizeof d);
    if (g->has_mins) memcpy(at + bytes, m, sizeof m);
    for (size_t lane = 0; g->has_zeros && lane < CK_PANEL; lane++) at[bytes + lane] = (uint8_t)m[lane];
    return;
  }
  const size_t parts = g->block_columns / g->part_columns;
  put_bytes((const uint8_t *)blocks + offsetof(ck_block, scales), parts, step, at);
  if (g->has_mins) put_bytes((const uint8_t *)blocks + offsetof(ck_block, mins), parts, step, at + bytes);
  uint8_t *const own = at + parts * step;
  memcpy(own, d, sizeof d);
  if (g->has_mins) memcpy(own + sizeof d, m, sizeof m);
}

// Columns [k0, k0 + k_count) of a panel, which has its scales at `scales`. Lanes past the last row are zeros.
INLINE void pack(const ck_geometry *g, decode_of *decode, const uint8_t *rows, size_t row_stride_bytes,
                 size_t row_count, size_t k0, size_t k_count, uint8_t *panel, uint8_t *scales) {
  ck_block blocks[CK_PANEL];
  memset(blocks, 0, sizeof blocks);
  for (size_t at = k0; at < k0 + k_count; at += g->block_columns, rows += g->block_bytes) {
    uint8_t *const groups = panel + at / CK_GROUP * ck_group_bytes(g);
    if (g->low_bits == 8 && row_count == CK_PANEL) {
      // Q8_0: bytes that follow their f16 and differ by their sign bits, so that there is nothing to take apart.
      fours16 codes[FOURS];
      gather_group(rows + sizeof(uint16_t), row_stride_bytes, codes);
      for (size_t i = 0; i < FOURS; i++) codes[i] ^= 0x80808080u;
      put_group(g, codes, groups);
      for (size_t lane = 0; lane < CK_PANEL; lane++) blocks[lane].d = ck_read_u16(rows + lane * row_stride_bytes);
    } else {
      for (size_t lane = 0; lane < row_count; lane++) decode(rows + lane * row_stride_bytes, &blocks[lane]);
      for (size_t group = 0; group < g->block_columns / CK_GROUP; group++) {
        fours16 codes[FOURS];
        gather_group((const uint8_t *)blocks + offsetof(ck_block, codes) + group * CK_GROUP, sizeof(ck_block), codes);
        put_group(g, codes, groups + group * ck_group_bytes(g));
      }
    }
    put_scales(g, blocks, at, scales);
  }
}

// A loop for each format, where its sizes are constants.
typedef void pack_of(const uint8_t *rows, size_t row_stride_bytes, size_t row_count, size_t k0, size_t k_count,
                     uint8_t *panel, uint8_t *scales);
#define DEFINE_PACK(name, NAME)                                                                                      \
  static void name##_pack(const uint8_t *rows, size_t row_stride_bytes, size_t row_count, size_t k0, size_t k_count, \
                          uint8_t *panel, uint8_t *scales) {                                                         \
    const ck_geometry g = CK_##NAME##_GEOMETRY;                                                                      \
    pack(&g, name##_decode, rows, row_stride_bytes, row_count, k0, k_count, panel, scales);                          \
  }
CK_BLOCK_FORMATS(DEFINE_PACK, CK_NOTHING)

#define PACK_ROW(name, NAME) [CK_##NAME] = name##_pack,
static pack_of *const packs[CK_FORMAT_COUNT] = {CK_BLOCK_FORMATS(PACK_ROW, CK_NOTHING)};

void ck_pack_blocks(ck_format format, const uint8_t *rows, size_t row_stride_bytes, size_t row_count, size_t k0,
                    size_t k_count, size_t k, uint8_t *panel) {
  const ck_geometry *const g = &ck_geometries[format];
  if (g->low_bits == 0) return;
  uint8_t *const scales = panel + ck_panel_element_bytes(format, k);
  packs[format](rows, row_stride_bytes, ck_min(row_count, CK_PANEL), k0, k_count, panel, scales);
  if (k0 + k_count < k) return;
  // The padding after the elements, that after a record's scales, and that after all.
  uint8_t *const elements = panel + k / CK_GROUP * ck_group_bytes(g);
  memset(elements, 0, (size_t)(scales - elements));
  const size_t columns = ck_record_blocks(g) * CK_Q_BLOCK;
  uint8_t *const used = scales + k / columns * ck_record_bytes(g) + k % columns / g->part_columns * ck_part_stride(g);
  memset(used, 0, (size_t)(scales + ck_panel_scale_bytes(format, k) - used));
}

bool ck_scales_are_finite(ck_format format, const void *elements, size_t count) {
  const ck_geometry *const g = &ck_geometries[format];
  if (g->block_columns == 0) return true;
  const uint8_t *stored = elements;
  bool finite = true;
  for (size_t first = 0; first < count; first += g->block_columns, stored += g->block_bytes) {
    if (g->scattered_scale) {
      finite &= (block_scattered(stored + g->scale_at) & 0x7C00) != 0x7C00;
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
