// bf16: the upper half of fp32. Pairs of columns lie together.
#define CK_BF16_GEOMETRY \
  { .unit_bytes = 4, .unit_columns = 2, .padded_columns = 2 }

static inline float ck_value_bf16(uint16_t bits) { return ck_float_from_bits((uint32_t)bits << 16); }

static inline float bf16_element(const uint8_t *unit, size_t column) {
  return ck_value_bf16(ck_read_u16(unit + 2 * column));
}
#define bf16_scale NULL
