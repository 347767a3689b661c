// The formats of numbers in registers, for matmul_kernel.inc: each format's `_lanes` file has its part for each
// instruction set, and defines
//
//   <name>_scale_row(p)              one row of sixteen scales, ready for `weight`
//   <name>_weight(pair, odd, scale)  the weights of one k; `pair` is where the even k at or before it begins
//   <name>_DIRECT_ROWS               rows for which converting once per tile costs less than writing fp32 and reading
//                                    it back: measured
//   <name>_TILE_ROWS                 the most rows of a tile
//   <name>_is_exceptional(p, bytes)  whether bytes (a multiple of 16 of them) hold what `weight` expands wrongly
//   <name>_scale_is_plain(p)         whether `weight` may be used with these scales
//
// The format is a constant wherever these are called, so that the switches fall away.
#include "f32_lanes.h"

#include "bf16_lanes.h"
#include "f16_lanes.h"
#include "f8e4m3_lanes.h"
#include "mxfp4_lanes.h"

INLINE_OP v16 scale_row(ck_format format, const uint8_t *p) {
  switch (format) {
#define SCALE_ROW(name, NAME) \
  case CK_##NAME: return name##_scale_row(p);
    CK_FORMATS(SCALE_ROW, CK_NOTHING)
    default: return v16_zero();
  }
}

INLINE_OP v16 weight(ck_format format, const uint8_t *pair, int odd, v16 scale) {
  switch (format) {
#define WEIGHT(name, NAME) \
  case CK_##NAME: return name##_weight(pair, odd, scale);
    CK_FORMATS(WEIGHT, CK_NOTHING)
    default: return v16_zero();
  }
}

INLINE_OP size_t direct_rows(ck_format format) {
  switch (format) {
#define DIRECT_ROWS(name, NAME) \
  case CK_##NAME: return name##_DIRECT_ROWS;
    CK_FORMATS(DIRECT_ROWS, CK_NOTHING)
    default: return 0;
  }
}

INLINE_OP size_t tile_rows(ck_format format) {
  switch (format) {
#define TILE_ROWS(name, NAME) \
  case CK_##NAME: return name##_TILE_ROWS;
    CK_FORMATS(TILE_ROWS, CK_NOTHING)
    default: return MAX_DIRECT_ROWS;
  }
}

INLINE_OP bool is_exceptional(ck_format format, const uint8_t *p, size_t bytes) {
  switch (format) {
#define IS_EXCEPTIONAL(name, NAME) \
  case CK_##NAME: return name##_is_exceptional(p, bytes);
    CK_FORMATS(IS_EXCEPTIONAL, CK_NOTHING)
    default: return false;
  }
}

INLINE_OP bool scale_is_plain(ck_format format, const uint8_t *p) {
  switch (format) {
#define SCALE_IS_PLAIN(name, NAME) \
  case CK_##NAME: return name##_scale_is_plain(p);
    CK_FORMATS(SCALE_IS_PLAIN, CK_NOTHING)
    default: return true;
  }
}
