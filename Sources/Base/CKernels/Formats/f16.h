// IEEE half precision.
#define CK_F16_GEOMETRY \
  { .unit_bytes = 2, .unit_columns = 1, .padded_columns = 1 }

// The 15 magnitude bits, moved to fp32's place, and the difference of the exponents' biases; a subnormal is what is
// beyond a one of the least exponent. There is no branch, so that loops become vectors, and no subnormal of fp32, which
// are slow.
static inline float ck_value_f16(uint16_t bits) {
  const uint32_t magnitude = bits & 0x7FFFu, sign = (bits & 0x8000u) << 16;
  const uint32_t normal = (magnitude << 13) + (112u << 23);
  const uint32_t subnormal = ck_bits_of_float(ck_float_from_bits((magnitude << 13) + (113u << 23)) - 0x1p-14f);
  // Infinity, and NaN made quiet.
  const uint32_t special = 0x7F800000 | magnitude << 13 | (magnitude > 0x7C00 ? 0x400000 : 0);
  const uint32_t number = magnitude < 0x400 ? subnormal : normal;
  return ck_float_from_bits(sign | (magnitude >= 0x7C00 ? special : number));
}

static inline float f16_element(const uint8_t *unit, size_t column) {
  (void)column;
  return ck_value_f16(ck_read_u16(unit));
}
#define f16_scale NULL
