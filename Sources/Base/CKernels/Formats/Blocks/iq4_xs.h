// IQ4_XS: IQ4_NL's levels, with scales of six bits for 32 columns below one for all.
#define CK_IQ4_XS_GEOMETRY                                                                                       \
  {                                                                                                              \
    .block_columns = 256, .block_bytes = 136, .low_bits = 4, .part_columns = 32, .part_scales = CK_PARTS_SIGNED, \
    .levels = ck_iq4_level                                                                                       \
  }

static inline void iq4_xs_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored);
  const uint16_t high = block_u16(stored + 2);
  for (size_t part = 0; part < 8; part++) {
    const int low = stored[4 + part / 2] >> part % 2 * 4 & 15;
    block->scales[part] = (uint8_t)((low | (high >> 2 * part & 3) << 4) - 32);
    block_halves(stored + 8 + 16 * part, 32, block->codes + 32 * part);
  }
}
