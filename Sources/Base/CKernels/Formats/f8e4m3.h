// FP8 E4M3 (OCP FP8, without infinities), an fp32 scale for each 128 columns.
#define CK_F8E4M3_GEOMETRY                                                                           \
  {                                                                                                  \
    .unit_bytes = 1, .unit_columns = 1, .padded_columns = 1, .scale_columns = 128, .scale_bytes = 4, \
    .has_exceptions = true                                                                           \
  }

// As for f16, with 2^-120: the exponent's bias is 7. There is no infinity; S.1111.111 is NaN.
static inline float ck_value_f8e4m3(uint8_t bits) {
  const uint32_t sign = (uint32_t)(bits & 0x80) << 24;
  if ((bits & 0x7F) == 0x7F) return ck_float_from_bits(sign | 0x7FC00000);
  const float magnitude = ck_float_from_bits((uint32_t)(bits & 0x7F) << 20) * 0x1p120f;
  return sign ? -magnitude : magnitude;
}

static inline float f8e4m3_element(const uint8_t *unit, size_t column) {
  (void)column;
  return ck_value_f8e4m3(*unit);
}
static inline float f8e4m3_scale(const uint8_t *at) { return ck_read_f32(at); }
