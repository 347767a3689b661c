// The table of the weight formats, and what it says of their sizes and values.
#include "formats.h"

#pragma STDC FP_CONTRACT OFF

typedef float element_of(const uint8_t *unit, size_t column);
typedef float scale_of(const uint8_t *at);
#define INLINE static inline __attribute__((always_inline))

INLINE void expand_stored(const ck_geometry *g, element_of *element, scale_of *scale, const uint8_t *elements,
                          const uint8_t *scales, size_t count, float *out) {
  if (scale == NULL || scales == NULL) {
    if (g->unit_columns > g->unit_bytes) {
      for (size_t i = 0; i < count; i++) {
        out[i] = element(elements + i / g->unit_columns * g->unit_bytes, i % g->unit_columns);
      }
    } else {
      for (size_t i = 0; i < count; i++) out[i] = element(elements + i * (g->unit_bytes / g->unit_columns), 0);
    }
    return;
  }
  for (size_t first = 0; first < count; first += g->scale_columns, scales += g->scale_bytes) {
    const float factor = scale(scales);
    for (size_t i = first; i < ck_min(count, first + g->scale_columns); i++) {
      out[i] = element(elements + i / g->unit_columns * g->unit_bytes, i % g->unit_columns) * factor;
    }
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
CK_FORMATS(DEFINE_STORED, CK_NOTHING)

#define FLOATS_ROW(name, NAME) [CK_##NAME] = {name##_element, name##_scale, name##_lane, name##_stored},
#define LEVELS_ROW(name, NAME) [CK_##NAME] = {name##_element, name##_scale, name##_lane, NULL},
const ck_codec ck_codecs[CK_FORMAT_COUNT] = {CK_FORMATS(FLOATS_ROW, LEVELS_ROW)};

size_t ck_panel_bytes(ck_format format, size_t k) {
  return ck_panel_element_bytes(format, k) + ck_panel_scale_bytes(format, k) +
         (ck_geometries[format].has_row_scales ? CK_PANEL * sizeof(float) : 0);
}

size_t ck_stored_bytes(ck_format format, size_t k) {
  const ck_geometry *const g = &ck_geometries[format];
  // Columns that share bytes come in whole units.
  return g->unit_columns > g->unit_bytes ? ck_blocks(k, g->unit_columns) * g->unit_bytes
                                         : k * (g->unit_bytes / g->unit_columns);
}

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
  ck_codecs[format].expand_lane(panel, k, lane, out);
}

void ck_expand(ck_format format, const void *elements, const void *scales, size_t count, float *out) {
  if (ck_codecs[format].expand_stored) ck_codecs[format].expand_stored(elements, scales, count, out);
}
