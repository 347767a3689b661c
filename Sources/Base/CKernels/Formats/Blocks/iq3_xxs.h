// IQ3_XXS: four magnitudes an index of eight bits, seven bits of signs for eight columns, and a scale for 32.
#define CK_IQ3_XXS_GEOMETRY                                                                                       \
  {                                                                                                               \
    .block_columns = 256, .block_bytes = 98, .low_bits = 4, .part_columns = 32, .part_scales = CK_PARTS_UNSIGNED, \
    .levels = ck_iq3_xxs_level, .own_halvings = 2                                                                 \
  }

static inline void iq3_xxs_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored);
  for (size_t part = 0; part < 8; part++) {
    const uint32_t word = block_u32(stored + 66 + 4 * part);
    block->scales[part] = (uint8_t)(2 * (word >> 28) + 1);
    for (size_t i = 0; i < 4; i++) {
      const uint8_t *const at = stored + 2 + 8 * part + 2 * i, signs = ck_even_signs(word >> 7 * i);
      uint8_t *const codes = block->codes + 32 * part + 8 * i;
      ck_grid_four(ck_grid_iq3_xxs[at[0]], signs, codes);
      ck_grid_four(ck_grid_iq3_xxs[at[1]], signs >> 4, codes + 4);
    }
  }
}
