// Q4: indices into sixteen levels, eight columns to four bytes; scales as Q8 has them.
#define CK_Q4_GEOMETRY                                                                                               \
  {                                                                                                                  \
    .unit_bytes = 4, .unit_columns = 8, .padded_columns = CK_Q_BLOCK, .scale_columns = CK_Q_BLOCK, .scale_bytes = 1, \
    .has_row_scales = true, .zero = 0x11111111u * ck_q4_zero                                                         \
  }

// The levels of Q4's indices. Fitted by Lloyd's algorithm to blocks of 64 Gaussian values, each divided by the block
// scale of least squared error; one level is zero. Root mean square error 0.0841 of the standard deviation.
#define CK_Q4_LEVELS \
  { -122, -91, -70, -53, -38, -25, -12, 0, 11, 22, 34, 47, 61, 77, 98, 127 }

// From which integer on a level is taken instead of the one before it (unused for the first): the middle, rounded up.
#define CK_Q4_THRESHOLDS \
  { 0, -106, -80, -61, -45, -31, -18, -6, 6, 17, 28, 41, 54, 69, 88, 113 }

// The levels of the sixteen indices, and the index of level 0.
extern const int8_t ck_q4_level[16];
#define ck_q4_zero 7

static inline float q4_element(const uint8_t *unit, size_t column) {
  const uint8_t byte = unit[column % 4];
  return (float)ck_q4_level[column < 4 ? byte & 15 : byte >> 4];
}
static inline float q4_scale(const uint8_t *at) { return ck_q_scale(*at); }
