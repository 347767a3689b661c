// IQ3_XXS: four magnitudes an index of eight bits, seven bits of signs for eight columns, and a scale for 32.
#define CK_IQ3_XXS_GEOMETRY \
  { .block_columns = 256, .block_bytes = 98 }

static inline void iq3_xxs_expand(const uint8_t *stored, float *out) {
  static const uint8_t magnitudes[8] = {4, 12, 20, 28, 36, 44, 52, 62};
  const float d = ck_value_f16(block_u16(stored));
  for (size_t part = 0; part < 8; part++) {
    const uint32_t word = block_u32(stored + 66 + 4 * part);
    const float scale = d * (0.5f + (float)(word >> 28)) * 0.5f;
    for (size_t i = 0; i < 4; i++, out += 8) {
      const uint8_t *const at = stored + 2 + 8 * part + 2 * i, signs = ck_even_signs(word >> 7 * i);
      ck_grid_four(ck_grid_iq3_xxs[at[0]], magnitudes, scale, signs, out);
      ck_grid_four(ck_grid_iq3_xxs[at[1]], magnitudes, scale, signs >> 4, out + 4);
    }
  }
}
