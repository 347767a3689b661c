// MXFP4 (OCP Microscaling Formats 1.0): E2M1, two columns to a byte, a power of two for each 32.
#define CK_MXFP4_GEOMETRY \
  { .unit_bytes = 1, .unit_columns = 2, .padded_columns = 2, .scale_columns = 32, .scale_bytes = 1 }

// E2M1: 0 0.5 1 1.5 2 3 4 6 and their negatives.
static inline float ck_value_fp4(uint8_t nibble) {
  // Without a table, so that loops become vectors: below 1 the exponent is that of 1, and nothing is implied.
  const uint32_t magnitude = nibble & 7;
  const uint32_t bits = magnitude < 2 ? magnitude * 0x3F000000u : (magnitude << 22) + (126u << 23);
  return ck_float_from_bits(bits | (uint32_t)(nibble & 8) << 28);
}

static inline float mxfp4_element(const uint8_t *unit, size_t column) {
  return ck_value_fp4(column ? *unit >> 4 : *unit);
}

// E8M0: 2^(bits - 127), a subnormal for 0; NaN for 255 (section 5.4.1).
static inline float mxfp4_scale(const uint8_t *at) {
  if (*at == 255) return ck_float_from_bits(0x7FC00000);
  return ck_float_from_bits(*at == 0 ? 0x00400000 : (uint32_t)*at << 23);
}
