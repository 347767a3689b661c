// IQ1_M: IQ1_S's trits, with scales for 16 columns and an eighth's sign for 8; the block's scale lies in four pieces.
#define CK_IQ1_M_GEOMETRY                                                                                            \
  {                                                                                                                  \
    .block_columns = 256, .block_bytes = 56, .scale_at = 48, .scattered_scale = true, .low_bits = 2, .high_bits = 1, \
    .part_columns = 16, .part_scales = CK_PARTS_UNSIGNED, .levels = ck_iq1_level, .own_halvings = 3                  \
  }

static inline void iq1_m_decode(const uint8_t *stored, ck_block *block) {
  const uint8_t *const scales = stored + 48;
  block->d = block_scattered(scales);
  for (size_t part = 0; part < 16; part++) {
    block->scales[part] = (uint8_t)(2 * (block_u16(scales + part / 4 * 2) >> part % 4 * 3 & 7) + 1);
  }
  for (size_t i = 0; i < 32; i++) {
    const int high = stored[32 + i / 2] >> i % 2 * 4 & 15;
    ck_grid_trits(ck_grid_iq1[stored[i] | (high & 7) << 8], high >> 3, block->codes + 8 * i);
  }
}
