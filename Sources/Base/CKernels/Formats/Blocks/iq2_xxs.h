// IQ2_XXS: eight magnitudes an index of eight bits, seven bits of signs, and a scale for 32 columns.
#define CK_IQ2_XXS_GEOMETRY                                                                     \
  {                                                                                             \
    .block_columns = 256, .block_bytes = 66, .low_bits = 2, .high_bits = 1, .part_columns = 32, \
    .part_scales = CK_PARTS_UNSIGNED, .levels = ck_iq2_level, .own_halvings = 3                 \
  }

static inline void iq2_xxs_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored);
  for (size_t part = 0; part < 8; part++) {
    const uint8_t *const at = stored + 2 + 8 * part;
    const uint32_t word = block_u32(at + 4);
    block->scales[part] = (uint8_t)(2 * (word >> 28) + 1);
    for (size_t i = 0; i < 4; i++) {
      ck_grid_eight(ck_grid_iq2_xxs[at[i]], ck_even_signs(word >> 7 * i), block->codes + 32 * part + 8 * i);
    }
  }
}
