// Q8: levels -127 … 127, as level + 128 in a panel; a byte's scale for each 64 columns, an fp32 scale for each row.
#define CK_Q8_GEOMETRY                                                                                               \
  {                                                                                                                  \
    .unit_bytes = 4, .unit_columns = 4, .padded_columns = CK_Q_BLOCK, .scale_columns = CK_Q_BLOCK, .scale_bytes = 1, \
    .has_row_scales = true, .zero = 0x80808080u, .flip = 0x80                                                        \
  }

static inline float q8_element(const uint8_t *unit, size_t column) { return (float)(unit[column] - 128); }
static inline float q8_scale(const uint8_t *at) { return ck_q_scale(*at); }
