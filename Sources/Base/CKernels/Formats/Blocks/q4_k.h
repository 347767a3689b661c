// Q4_K: sixteen levels, with scales and minima of six bits for 32 columns.
#define CK_Q4_K_GEOMETRY                                                                                           \
  {                                                                                                                \
    .block_columns = 256, .block_bytes = 144, .low_bits = 4, .part_columns = 32, .part_scales = CK_PARTS_UNSIGNED, \
    .has_mins = true                                                                                               \
  }

static inline void q4_k_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored);
  block->m = block_u16(stored + 2);
  block_six_bits(stored + 4, block->scales, block->mins);
  for (size_t part = 0; part < 4; part++) block_halves(stored + 16 + 32 * part, 64, block->codes + 64 * part);
}
