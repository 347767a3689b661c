// Q3_K: eight levels, with scales of six bits for 16 columns.
#define CK_Q3_K_GEOMETRY                                                                                          \
  {                                                                                                               \
    .block_columns = 256, .block_bytes = 110, .scale_at = 108, .low_bits = 2, .high_bits = 1, .part_columns = 16, \
    .part_scales = CK_PARTS_SIGNED, .code_bias = 4                                                                \
  }

static inline void q3_k_decode(const uint8_t *stored, ck_block *block) {
  block_quarters(stored + 32, block->codes);
  block_quarters(stored + 64, block->codes + 128);
  for (size_t part = 0; part < 8; part++) {
    for (size_t i = 0; i < 32; i++) block->codes[32 * part + i] |= (uint8_t)((stored[i] >> part & 1) << 2);
  }
  const uint8_t *const packed = stored + 96;
  for (size_t part = 0; part < 16; part++) {
    const int low = packed[part % 8] >> part / 8 * 4 & 15, high = packed[8 + part % 4] >> part / 4 * 2 & 3;
    block->scales[part] = (uint8_t)((low | high << 4) - 32);
  }
  block->d = block_u16(stored + 108);
}
