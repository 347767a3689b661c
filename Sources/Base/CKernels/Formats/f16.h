// IEEE half precision.
#define CK_F16_GEOMETRY \
  { .unit_bytes = 2, .unit_columns = 1, .padded_columns = 1 }

// The 15 magnitude bits, moved to fp32's place, are the value times 2^-112; subnormals too.
static inline float ck_value_f16(uint16_t bits) {
  const uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
  if ((bits & 0x7C00) == 0x7C00) {  // infinity, NaN
    const uint32_t fraction = (uint32_t)(bits & 0x3FF) << 13;
    return ck_float_from_bits(sign | 0x7F800000 | fraction | (fraction ? 0x400000 : 0));
  }
  const float magnitude = ck_float_from_bits((uint32_t)(bits & 0x7FFF) << 13) * 0x1p112f;
  return sign ? -magnitude : magnitude;
}

static inline float f16_element(const uint8_t *unit, size_t column) {
  (void)column;
  return ck_value_f16(ck_read_u16(unit));
}
#define f16_scale NULL
