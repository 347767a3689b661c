// The table of the weight formats, and what it says of their sizes and values.
#include "formats.h"

#pragma STDC FP_CONTRACT OFF

typedef float element_of(const uint8_t *unit, size_t column);
typedef float scale_of(const uint8_t *at);
#define INLINE static inline __attribute__((always_inline))

// `count` columns with one scale, unit by unit.
INLINE void expand_run(const ck_geometry *g, element_of *element, const uint8_t *elements, size_t count, float factor,
                       float *out) {
  const size_t columns = g->unit_columns > g->unit_bytes ? g->unit_columns : 1;
  const size_t bytes = columns > 1 ? g->unit_bytes : g->unit_bytes / g->unit_columns;
  const size_t units = count / columns;
  for (size_t i = 0; i < units; i++) {
    for (size_t j = 0; j < columns; j++) out[i * columns + j] = element(elements + i * bytes, j) * factor;
  }
  for (size_t i = units * columns; i < count; i++) out[i] = element(elements + units * bytes, i % columns) * factor;
}

INLINE void expand_stored(const ck_geometry *g, element_of *element, scale_of *scale, const uint8_t *elements,
                          const uint8_t *scales, size_t count, float *out) {
  // A factor of one falls away when this is compiled.
  if (scale == NULL || scales == NULL) {
    expand_run(g, element, elements, count, 1, out);
    return;
  }
  for (size_t first = 0; first < count; first += g->scale_columns, scales += g->scale_bytes) {
    expand_run(g, element, elements + first / g->unit_columns * g->unit_bytes, ck_min(count - first, g->scale_columns),
               scale(scales), out + first);
  }
}

INLINE void expand_lane(const ck_geometry *g, ck_format format, element_of *element, scale_of *scale,
                        const uint8_t *panel, size_t k, size_t lane, float *out) {
  const uint8_t *const scales = panel + ck_panel_element_bytes(format, k);
  const uint8_t *const row_scales = scales + ck_panel_scale_bytes(format, k);
  const float row_scale = g->has_row_scales ? ck_read_f32(row_scales + lane * sizeof(float)) : 1;
  for (size_t i = 0; i < k; i++) {
    float value = element(panel + (i / g->unit_columns * CK_PANEL + lane) * g->unit_bytes, i % g->unit_columns);
    if (scale) value = value * scale(scales + (i / g->scale_columns * CK_PANEL + lane) * g->scale_bytes);
    out[i] = g->has_row_scales ? value * row_scale : value;
  }
}

typedef void expand_of(const uint8_t *stored, float *out);

// The first columns of a row of blocks.
static void expand_blocks(const ck_geometry *g, expand_of *expand, const uint8_t *stored, size_t count, float *out) {
  for (size_t first = 0; first < count; first += g->block_columns, stored += g->block_bytes) {
    if (count - first >= g->block_columns) {
      expand(stored, out + first);
      continue;
    }
    float values[CK_MOST_BLOCK_COLUMNS];
    expand(stored, values);
    memcpy(out + first, values, (count - first) * sizeof(float));
  }
}

// The value of a part's scale, or minimum, of which `own` is the block's.
static float part_value(ck_part_scales kind, uint16_t bits, float own) {
  switch (kind) {
    case CK_PARTS_HALF: return ck_value_f16(bits);
    case CK_PARTS_BFLOAT: return ck_value_bf16(bits);
    // Half of mxfp4_scale, for levels that are doubled.
    case CK_PARTS_EXPONENT: return ck_float_from_bits(bits < 2 ? 0x00200000u << bits : (uint32_t)(bits - 1) << 23);
    case CK_PARTS_UNSIGNED: return own * (float)bits;
    default: return own * (float)(int8_t)bits;
  }
}

static int level_of(const ck_geometry *g, uint8_t code) { return g->levels ? g->levels[code] : code - g->code_bias; }

// A minimum that is an integer is taken away, one of its own added.
static float min_value(ck_part_scales kind, uint16_t bits, float own) {
  return kind == CK_PARTS_HALF ? ck_value_f16(bits) : -(own * (float)bits);
}

INLINE void expand_block(const ck_geometry *g, const ck_block *block, float *out) {
  const bool has_own = g->part_scales >= CK_PARTS_UNSIGNED;
  const float d = has_own ? ck_value_f16(block->d) * ck_own_factor(g) : 1,
              m = has_own && g->has_mins ? ck_value_f16(block->m) : 1;
  for (size_t first = 0, part = 0; first < g->block_columns; first += g->part_columns, part++) {
    const float scale = part_value(g->part_scales, has_own ? block->scales[part] : block->d, d);
    const float min = g->has_mins ? min_value(g->part_scales, has_own ? block->mins[part] : block->m, m) : 0;
    const int zero = g->has_zeros ? block->m : 0;
    for (size_t i = first; i < first + g->part_columns; i++) {
      const float value = scale * (float)(level_of(g, block->codes[i]) - zero);
      out[i] = g->has_mins ? value + min : value;
    }
  }
}

// Where a part's scales of sixteen rows are, which minima or zeros follow.
static const uint8_t *part_at(const ck_geometry *g, const uint8_t *scales, size_t k) {
  const size_t record_columns = ck_record_blocks(g) * CK_Q_BLOCK;
  return scales + k / record_columns * ck_record_bytes(g) + k % record_columns / g->part_columns * ck_part_stride(g);
}

int ck_block_level(const ck_geometry *g, const uint8_t *panel, const uint8_t *scales, size_t k, size_t lane) {
  const uint8_t *const at = panel + k / CK_GROUP * ck_group_bytes(g) + lane * 4 + k % 4;
  const size_t four = k % CK_GROUP / 4, fours = 8 / g->low_bits;
  uint8_t code = (uint8_t)(at[four / fours * 64] >> four % fours * g->low_bits & ((1 << g->low_bits) - 1));
  if (g->high_bits) {
    const size_t highs = 8 / g->high_bits;
    const int high = at[(g->low_bits + four / highs) * 64] >> four % highs * g->high_bits & ((1 << g->high_bits) - 1);
    code |= (uint8_t)(high << g->low_bits);
  }
  return level_of(g, code) - (g->has_zeros ? part_at(g, scales, k)[ck_part_bytes(g) + lane] : 0);
}

float ck_block_scale(const ck_geometry *g, const uint8_t *scales, size_t k, size_t lane, float *min) {
  const size_t record_columns = ck_record_blocks(g) * CK_Q_BLOCK, bytes = ck_part_bytes(g);
  const uint8_t *const at = part_at(g, scales, k);
  const uint8_t *const parts = scales + k / record_columns * ck_record_bytes(g);
  const uint8_t *const own = parts + record_columns / g->part_columns * ck_part_stride(g) + lane * sizeof(uint16_t);
  const bool is_half = bytes > CK_PANEL, has_own = g->part_scales >= CK_PARTS_UNSIGNED;
  const uint16_t scale = is_half ? ck_read_u16(at + 2 * lane) : at[lane];
  if (g->has_mins) {
    const uint8_t *const mins = at + bytes;
    *min = min_value(g->part_scales, is_half ? ck_read_u16(mins + 2 * lane) : mins[lane],
                     has_own ? ck_value_f16(ck_read_u16(own + CK_PANEL * sizeof(uint16_t))) : 1);
  }
  return part_value(g->part_scales, scale, has_own ? ck_value_f16(ck_read_u16(own)) * ck_own_factor(g) : 1);
}

static void expand_block_lane(const ck_geometry *g, ck_format format, const uint8_t *panel, size_t k, size_t lane,
                              float *out) {
  const uint8_t *const scales = panel + ck_panel_element_bytes(format, k);
  for (size_t first = 0; first < k; first += g->part_columns) {
    float min = 0;
    const float scale = ck_block_scale(g, scales, first, lane, &min);
    for (size_t i = first; i < first + g->part_columns; i++) {
      const float value = scale * (float)ck_block_level(g, panel, scales, i, lane);
      out[i] = g->has_mins ? value + min : value;
    }
  }
}

// Loops for each format, where its sizes are constants.
#define DEFINE_LANE(name, NAME)                                                      \
  static void name##_lane(const uint8_t *panel, size_t k, size_t lane, float *out) { \
    const ck_geometry g = CK_##NAME##_GEOMETRY;                                      \
    expand_lane(&g, CK_##NAME, name##_element, name##_scale, panel, k, lane, out);   \
  }
#define DEFINE_STORED(name, NAME)                                                                       \
  static void name##_stored(const uint8_t *elements, const uint8_t *scales, size_t count, float *out) { \
    const ck_geometry g = CK_##NAME##_GEOMETRY;                                                         \
    expand_stored(&g, name##_element, name##_scale, elements, scales, count, out);                      \
  }
CK_FORMATS(DEFINE_LANE, DEFINE_LANE)
#if defined(__x86_64__)
// Numbers are expanded by loops that become vectors, the same to the bit, but wider.
#define DEFINE_WIDE(name, NAME)                                                                           \
  __attribute__((target("avx2"))) static void name##_wide(const uint8_t *elements, const uint8_t *scales, \
                                                          size_t count, float *out) {                     \
    const ck_geometry g = CK_##NAME##_GEOMETRY;                                                           \
    expand_stored(&g, name##_element, name##_scale, elements, scales, count, out);                        \
  }
CK_FORMATS(DEFINE_WIDE, CK_NOTHING)
#define WIDE_ROW(name, NAME) [CK_##NAME] = name##_wide,
static void (*const wide[CK_FORMAT_COUNT])(const uint8_t *, const uint8_t *, size_t,
                                           float *) = {CK_FORMATS(WIDE_ROW, CK_NOTHING)};
#endif
#define DEFINE_BLOCKS(name, NAME)                                                    \
  static void name##_expand(const uint8_t *stored, float *out) {                     \
    const ck_geometry g = CK_##NAME##_GEOMETRY;                                      \
    ck_block block;                                                                  \
    name##_decode(stored, &block);                                                   \
    expand_block(&g, &block, out);                                                   \
  }                                                                                  \
  static void name##_lane(const uint8_t *panel, size_t k, size_t lane, float *out) { \
    const ck_geometry g = CK_##NAME##_GEOMETRY;                                      \
    expand_block_lane(&g, CK_##NAME, panel, k, lane, out);                           \
  }
#define DEFINE_STORED_BLOCKS(name, NAME)                                                                \
  static void name##_stored(const uint8_t *elements, const uint8_t *scales, size_t count, float *out) { \
    const ck_geometry g = CK_##NAME##_GEOMETRY;                                                         \
    (void)scales;                                                                                       \
    expand_blocks(&g, name##_expand, elements, count, out);                                             \
  }
CK_FORMATS(DEFINE_STORED, CK_NOTHING)
CK_BLOCK_FORMATS(DEFINE_BLOCKS, CK_NOTHING)
CK_BLOCK_FORMATS(DEFINE_STORED_BLOCKS, DEFINE_STORED_BLOCKS)

#define FLOATS_ROW(name, NAME) [CK_##NAME] = {name##_element, name##_scale, name##_lane, name##_stored},
#define LEVELS_ROW(name, NAME) [CK_##NAME] = {name##_element, name##_scale, name##_lane, NULL},
#define BLOCKS_ROW(name, NAME) [CK_##NAME] = {NULL, NULL, name##_lane, name##_stored},
#define STORED_ROW(name, NAME) [CK_##NAME] = {NULL, NULL, NULL, name##_stored},
const ck_codec ck_codecs[CK_FORMAT_COUNT] = {CK_FORMATS(FLOATS_ROW, LEVELS_ROW)
                                                 CK_BLOCK_FORMATS(BLOCKS_ROW, STORED_ROW)};

size_t ck_panel_bytes(ck_format format, size_t k) {
  if (ck_geometries[format].block_columns && !ck_geometries[format].low_bits) return 0;
  return ck_panel_element_bytes(format, k) + ck_panel_scale_bytes(format, k) +
         (ck_geometries[format].has_row_scales ? CK_PANEL * sizeof(float) : 0);
}

size_t ck_stored_bytes(ck_format format, size_t k) {
  const ck_geometry *const g = &ck_geometries[format];
  if (g->block_columns) return (k + g->block_columns - 1) / g->block_columns * g->block_bytes;
  // Columns that share bytes come in whole units.
  return g->unit_columns > g->unit_bytes ? ck_blocks(k, g->unit_columns) * g->unit_bytes
                                         : k * (g->unit_bytes / g->unit_columns);
}

size_t ck_block_columns(ck_format format) { return ck_geometries[format].block_columns; }

size_t ck_scale_columns(ck_format format) { return ck_geometries[format].scale_columns; }

void ck_set_scales(ck_format format, void *panel, size_t k, size_t lane, const void *block_scales, float row_scale) {
  const ck_geometry *const g = &ck_geometries[format];
  if (g->scale_columns == 0) return;
  uint8_t *const scales = (uint8_t *)panel + ck_panel_element_bytes(format, k);
  const uint8_t *const from = block_scales;
  const size_t blocks = ck_blocks(k, g->scale_columns), bytes = g->scale_bytes;
  for (size_t b = 0; b < blocks; b++) memcpy(scales + (b * CK_PANEL + lane) * bytes, from + b * bytes, bytes);
  if (!g->has_row_scales) return;
  memcpy(scales + ck_panel_scale_bytes(format, k) + lane * sizeof(float), &row_scale, sizeof row_scale);
}

float ck_weight(ck_format format, const uint8_t *panel, size_t k_count, size_t k, size_t lane) {
  const ck_geometry *const g = &ck_geometries[format];
  const float element = ck_panel_element(format, panel, k, lane);
  if (g->scale_columns == 0) return element;
  const uint8_t *const scales = panel + ck_panel_element_bytes(format, k_count);
  const size_t block = k >> __builtin_ctzll(g->scale_columns);
  const float value = element * ck_codecs[format].scale(scales + (block * CK_PANEL + lane) * g->scale_bytes);
  if (!g->has_row_scales) return value;
  return value * ck_read_f32(scales + ck_panel_scale_bytes(format, k_count) + lane * sizeof(float));
}

void ck_expand_panel_row(ck_format format, const void *panel, size_t k, size_t lane, float *out) {
  if (ck_codecs[format].expand_lane) ck_codecs[format].expand_lane(panel, k, lane, out);
}

void ck_expand(ck_format format, const void *elements, const void *scales, size_t count, float *out) {
#if defined(__x86_64__)
  if (wide[format] && ck_expands_wide()) {
    wide[format](elements, scales, count, out);
    return;
  }
#endif
  if (ck_codecs[format].expand_stored) ck_codecs[format].expand_stored(elements, scales, count, out);
}
