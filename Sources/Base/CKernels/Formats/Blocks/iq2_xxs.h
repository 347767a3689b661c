// IQ2_XXS: eight magnitudes an index of eight bits, seven bits of signs, and a scale for 32 columns.
#define CK_IQ2_XXS_GEOMETRY \
  { .block_columns = 256, .block_bytes = 66 }

static inline void iq2_xxs_expand(const uint8_t *stored, float *out) {
  const float d = ck_value_f16(block_u16(stored));
  for (size_t part = 0; part < 8; part++) {
    const uint8_t *const at = stored + 2 + 8 * part;
    const uint32_t word = block_u32(at + 4);
    const float scale = d * (0.5f + (float)(word >> 28)) * 0.25f;
    for (size_t i = 0; i < 4; i++, out += 8) {
      ck_grid_eight(ck_grid_iq2_xxs[at[i]], scale, ck_even_signs(word >> 7 * i), out);
    }
  }
}
