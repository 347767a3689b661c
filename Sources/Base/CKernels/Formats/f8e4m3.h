// FP8 E4M3 (OCP FP8, without infinities), an fp32 scale for each 128 columns.
#define CK_F8E4M3_GEOMETRY                                                                           \
  {                                                                                                  \
    .unit_bytes = 1, .unit_columns = 1, .padded_columns = 1, .scale_columns = 128, .scale_bytes = 4, \
    .has_exceptions = true                                                                           \
  }

// As for f16; the exponent's bias is 7. There is no infinity; S.1111.111 is NaN.
static inline float ck_value_f8e4m3(uint8_t bits) {
  const uint32_t magnitude = bits & 0x7Fu, sign = (bits & 0x80u) << 24;
  const uint32_t normal = (magnitude << 20) + (120u << 23);
  const uint32_t subnormal = ck_bits_of_float(ck_float_from_bits((magnitude << 20) + (121u << 23)) - 0x1p-6f);
  const uint32_t number = magnitude < 8 ? subnormal : normal;
  return ck_float_from_bits(sign | (magnitude == 0x7F ? 0x7FC00000 : number));
}

static inline float f8e4m3_element(const uint8_t *unit, size_t column) {
  (void)column;
  return ck_value_f8e4m3(*unit);
}
static inline float f8e4m3_scale(const uint8_t *at) { return ck_read_f32(at); }
