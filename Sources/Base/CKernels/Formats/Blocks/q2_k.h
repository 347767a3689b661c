// Q2_K: four levels, with scales and minima of four bits for 16 columns.
#define CK_Q2_K_GEOMETRY                                                                        \
  {                                                                                             \
    .block_columns = 256, .block_bytes = 84, .scale_at = 80, .low_bits = 2, .part_columns = 16, \
    .part_scales = CK_PARTS_UNSIGNED, .has_mins = true                                          \
  }

static inline void q2_k_decode(const uint8_t *stored, ck_block *block) {
  for (size_t part = 0; part < 16; part++) {
    block->scales[part] = stored[part] & 15;
    block->mins[part] = stored[part] >> 4;
  }
  block_quarters(stored + 16, block->codes);
  block_quarters(stored + 48, block->codes + 128);
  block->d = block_u16(stored + 80);
  block->m = block_u16(stored + 82);
}
