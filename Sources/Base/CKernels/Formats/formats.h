// What the files of this module know of the weight formats: their geometry, and the values of single elements. Not part
// of the module's interface.
#ifndef C_KERNELS_FORMATS_INTERNAL_H
#define C_KERNELS_FORMATS_INTERNAL_H
#include <math.h>
#include <string.h>

#include "../include/formats.h"

// What says how large a part of a block is: its own f16, bf16 or E8M0, or an integer below the block's f16.
typedef enum {
  CK_PARTS_NONE,
  CK_PARTS_HALF,
  CK_PARTS_BFLOAT,
  CK_PARTS_EXPONENT,
  CK_PARTS_UNSIGNED,
  CK_PARTS_SIGNED
} ck_part_scales;

// Sizes are powers of two, but for those of blocks.
typedef struct {
  // What is interleaved: so many bytes of each row, which hold so many columns.
  size_t unit_bytes, unit_columns;
  // A panel's columns are filled up to a multiple of this.
  size_t padded_columns;
  // Columns that share a block scale, and its bytes; 0 for formats without.
  size_t scale_columns, scale_bytes;
  // Each row has an fp32 scale of its own, after those of all blocks.
  bool has_row_scales;
  // Some elements are wrong when they are expanded in registers, so that blocks are searched for them.
  bool has_exceptions;
  // Four bytes of zeros in a panel.
  uint32_t zero;
  // What stored bytes differ by from those of a panel.
  uint8_t flip;
  // The rest is of GGUF's blocks. Columns and bytes of one.
  size_t block_columns, block_bytes;
  // Where a block's own f16, bf16 or E8M0 is; a minimum's follows it.
  size_t scale_at;
  // It lies in pieces.
  bool scattered_scale;
  // Bits of a code, as a panel has them: low_bits + high_bits; 0 for what no panel holds.
  size_t low_bits, high_bits;
  // Columns with one scale, and one minimum where there are such.
  size_t part_columns;
  ck_part_scales part_scales;
  bool has_mins;
  // A byte for each part, after its scales, that its levels are less by than codes.
  bool has_zeros;
  // A code's level: itself less this, or its place in a table.
  int code_bias;
  const int8_t *levels;
  // How often the block's f16 is halved: what levels and scales are larger by to be integers.
  int own_halvings;
} ck_geometry;

extern const int8_t ck_iq1_level[16], ck_iq2_level[16], ck_iq3_xxs_level[16], ck_iq3_s_level[16], ck_iq4_level[16],
    ck_e2m1_level[16];

static inline float ck_float_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t ck_bits_of_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline uint16_t ck_read_u16(const uint8_t *at) {
  uint16_t bits;
  memcpy(&bits, at, sizeof bits);
  return bits;
}

static inline float ck_read_f32(const uint8_t *at) {
  float value;
  memcpy(&value, at, sizeof value);
  return value;
}

// A block scale of the formats of levels: its byte has four bits each of exponent and fraction, 2^-15 … 1.9375.
static inline float ck_q_scale(uint8_t byte) { return ck_float_from_bits(((uint32_t)byte << 19) + 0x38000000u); }

// A format's header defines
//   CK_<NAME>_GEOMETRY
//   <name>_element(unit, column)   the value, scales apart, of a column of the unit of a panel or a stored row
//   <name>_scale(at)               the value of a block scale; NULL for formats without
#include "bf16.h"
#include "f16.h"
#include "f32.h"
#include "f8e4m3.h"
#include "mxfp4.h"
#include "q4.h"
#include "q8.h"

// That of a format of blocks defines CK_<NAME>_GEOMETRY and
//   <name>_decode(stored, block)   a stored block taken apart, for BLOCKS
//   <name>_expand(stored, out)     its values, for STORED
#include "Blocks/block.h"
#include "Blocks/grids.h"

#include "Blocks/int4.h"
#include "Blocks/int4_zeros.h"
#include "Blocks/iq1_m.h"
#include "Blocks/iq1_s.h"
#include "Blocks/iq2_s.h"
#include "Blocks/iq2_xs.h"
#include "Blocks/iq2_xxs.h"
#include "Blocks/iq3_s.h"
#include "Blocks/iq3_xxs.h"
#include "Blocks/iq4_nl.h"
#include "Blocks/iq4_xs.h"
#include "Blocks/mxfp4_0.h"
#include "Blocks/nvfp4.h"
#include "Blocks/q2_k.h"
#include "Blocks/q3_k.h"
#include "Blocks/q4_0.h"
#include "Blocks/q4_1.h"
#include "Blocks/q4_k.h"
#include "Blocks/q5_0.h"
#include "Blocks/q5_1.h"
#include "Blocks/q5_k.h"
#include "Blocks/q6_k.h"
#include "Blocks/q8_0.h"
#include "Blocks/tq1_0.h"
#include "Blocks/tq2_0.h"

#define CK_NOTHING(name, NAME)

// Looked up with constants in the kernels, where the table falls away.
#define CK_GEOMETRY(name, NAME) CK_##NAME##_GEOMETRY,
static const ck_geometry ck_geometries[CK_FORMAT_COUNT] = {CK_FORMATS(CK_GEOMETRY, CK_GEOMETRY)
                                                               CK_BLOCK_FORMATS(CK_GEOMETRY, CK_GEOMETRY)};

// What else a format is to code that meets its elements, or its blocks, one at a time.
typedef struct {
  float (*element)(const uint8_t *unit, size_t column);
  float (*scale)(const uint8_t *at);
  // A lane of a panel, k values.
  void (*expand_lane)(const uint8_t *panel, size_t k, size_t lane, float *out);
  // The first columns of a stored row; NULL where nobody needs it.
  void (*expand_stored)(const uint8_t *elements, const uint8_t *scales, size_t count, float *out);
} ck_codec;
extern const ck_codec ck_codecs[CK_FORMAT_COUNT];

static inline size_t ck_min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t ck_round64(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

// What a block's f16 is multiplied by.
static inline float ck_own_factor(const ck_geometry *g) { return 1.0f / (float)(1 << g->own_halvings); }

// How many blocks of `size` columns, a power of two, hold k columns.
static inline size_t ck_blocks(size_t k, size_t size) { return (k + size - 1) >> __builtin_ctzll(size); }

static inline size_t ck_q_blocks(size_t k) { return ck_blocks(k, CK_Q_BLOCK); }

#define CK_SUPER_BLOCK 256
#define CK_GROUP 32

// Blocks of CK_Q_BLOCK columns whose scales lie together in a panel, and their bytes.
static inline size_t ck_record_blocks(const ck_geometry *g) {
  return g->part_scales >= CK_PARTS_UNSIGNED ? CK_SUPER_BLOCK / CK_Q_BLOCK : 1;
}
// Bytes of the scales, and of the minima, of one part of sixteen rows.
static inline size_t ck_part_bytes(const ck_geometry *g) {
  const bool is_wide = g->part_scales == CK_PARTS_HALF || g->part_scales == CK_PARTS_BFLOAT;
  return CK_PANEL * (is_wide ? sizeof(uint16_t) : 1);
}
// Bytes of all that sixteen rows have of one part.
static inline size_t ck_part_stride(const ck_geometry *g) {
  return (g->has_mins ? 2 : 1) * ck_part_bytes(g) + (g->has_zeros ? CK_PANEL : 0);
}
static inline size_t ck_record_bytes(const ck_geometry *g) {
  const size_t kinds = g->has_mins ? 2 : 1, parts = ck_record_blocks(g) * CK_Q_BLOCK / g->part_columns;
  const size_t own = ck_record_blocks(g) > 1 ? CK_PANEL * sizeof(uint16_t) : 0;
  return parts * ck_part_stride(g) + kinds * own;
}
// Bytes of the codes of CK_GROUP columns of sixteen rows.
static inline size_t ck_group_bytes(const ck_geometry *g) { return 64 * (g->low_bits + g->high_bits); }

// Where the unit of column k of a panel begins.
static inline size_t ck_element_offset(ck_format format, size_t k) {
  const ck_geometry *const g = &ck_geometries[format];
  return (k >> __builtin_ctzll(g->unit_columns)) * g->unit_bytes * CK_PANEL;
}

// Bytes of the elements of one panel, which its scales follow.
static inline size_t ck_panel_element_bytes(ck_format format, size_t k) {
  const ck_geometry *const g = &ck_geometries[format];
  if (g->block_columns) return ck_q_blocks(k) * CK_Q_BLOCK / CK_GROUP * ck_group_bytes(g);
  return ck_round64(ck_element_offset(format, ck_blocks(k, g->padded_columns) * g->padded_columns));
}

// Bytes of the block scales of one panel, which the rows' scales follow.
static inline size_t ck_panel_scale_bytes(ck_format format, size_t k) {
  const ck_geometry *const g = &ck_geometries[format];
  if (g->low_bits) return ck_round64(ck_blocks(k, ck_record_blocks(g) * CK_Q_BLOCK) * ck_record_bytes(g));
  return g->scale_columns ? ck_round64(ck_blocks(k, g->scale_columns) * g->scale_bytes * CK_PANEL) : 0;
}

// The element at (k, lane) of a panel, scales apart.
static inline float ck_panel_element(ck_format format, const uint8_t *panel, size_t k, size_t lane) {
  const ck_geometry *const g = &ck_geometries[format];
  const uint8_t *const unit = panel + ck_element_offset(format, k) + lane * g->unit_bytes;
  return ck_codecs[format].element(unit, k & (g->unit_columns - 1));
}

// Blocks of a panel: the level at (k, lane), and what it is multiplied by; the minimum, if there is one, is added.
int ck_block_level(const ck_geometry *g, const uint8_t *panel, const uint8_t *scales, size_t k, size_t lane);
float ck_block_scale(const ck_geometry *g, const uint8_t *scales, size_t k, size_t lane, float *min);
void ck_pack_blocks(ck_format format, const uint8_t *rows, size_t row_stride_bytes, size_t row_count, size_t k0,
                    size_t k_count, size_t k, uint8_t *panel);

// Value of weight (k, lane) of a panel whose rows have length k_count.
float ck_weight(ck_format format, const uint8_t *panel, size_t k_count, size_t k, size_t lane);
#endif
