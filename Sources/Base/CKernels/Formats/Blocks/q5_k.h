// Q5_K: Q4_K with a fifth bit.
#define CK_Q5_K_GEOMETRY                                                                         \
  {                                                                                              \
    .block_columns = 256, .block_bytes = 176, .low_bits = 4, .high_bits = 1, .part_columns = 32, \
    .part_scales = CK_PARTS_UNSIGNED, .has_mins = true                                           \
  }

static inline void q5_k_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored);
  block->m = block_u16(stored + 2);
  block_six_bits(stored + 4, block->scales, block->mins);
  for (size_t part = 0; part < 4; part++) block_halves(stored + 48 + 32 * part, 64, block->codes + 64 * part);
  for (size_t part = 0; part < 8; part++) {
    for (size_t i = 0; i < 32; i++) block->codes[32 * part + i] |= (uint8_t)((stored[16 + i] >> part & 1) << 4);
  }
}
