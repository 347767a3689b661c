// The formats of levels in registers, for matmul_int8_kernel.inc: each format's `_lanes` file has its part for each
// instruction set, and defines
//
//   <name>_line(p)           the 64 bytes at p, which hold a unit of sixteen rows
//   <name>_part(line, part)  the weights of the line's columns from 4 * part on, as i16_dot wants them
//
// The format is a constant wherever these are called, so that the switches fall away.
#include "q8_lanes.h"

#include "q4_lanes.h"

INLINE_OP w64 line_of(ck_format format, const uint8_t *p) {
  switch (format) {
#define LINE_OF(name, NAME) \
  case CK_##NAME: return name##_line(p);
    CK_FORMATS(CK_NOTHING, LINE_OF)
    default: return w64_load(p);
  }
}

INLINE_OP w64 part_of(ck_format format, w64 line, const int part) {
  switch (format) {
#define PART_OF(name, NAME) \
  case CK_##NAME: return name##_part(line, part);
    CK_FORMATS(CK_NOTHING, PART_OF)
    default: return line;
  }
}

// Parts of a line: more than one where a column takes less than a byte.
INLINE_OP size_t line_parts(ck_format format) { return ck_geometries[format].unit_columns / 4; }

// Bytes of one panel's columns in one block.
INLINE_OP size_t block_bytes(ck_format format) { return CK_Q8_BLOCK_BYTES / line_parts(format); }
