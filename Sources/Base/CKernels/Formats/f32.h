// fp32.
#define CK_F32_GEOMETRY \
  { .unit_bytes = 4, .unit_columns = 1, .padded_columns = 1 }

static inline float f32_element(const uint8_t *unit, size_t column) {
  (void)column;
  return ck_read_f32(unit);
}
#define f32_scale NULL
