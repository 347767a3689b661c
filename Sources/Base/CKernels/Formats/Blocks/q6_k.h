// Q6_K: 64 levels, with scales of eight bits for 16 columns.
#define CK_Q6_K_GEOMETRY                                                                                          \
  {                                                                                                               \
    .block_columns = 256, .block_bytes = 210, .scale_at = 208, .low_bits = 4, .high_bits = 2, .part_columns = 16, \
    .part_scales = CK_PARTS_SIGNED, .code_bias = 32                                                               \
  }

static inline void q6_k_decode(const uint8_t *stored, ck_block *block) {
  for (size_t half = 0; half < 2; half++) {
    uint8_t *const codes = block->codes + 128 * half;
    uint8_t high[128];
    block_halves(stored + 64 * half, 128, codes);
    block_quarters(stored + 128 + 32 * half, high);
    for (size_t i = 0; i < 128; i++) codes[i] |= (uint8_t)(high[i] << 4);
  }
  memcpy(block->scales, stored + 192, 16);
  block->d = block_u16(stored + 208);
}
