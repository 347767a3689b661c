// Q8_0: a byte a column, as level + 128 in a panel, with a scale for 32 columns.
#define CK_Q8_0_GEOMETRY                                                                                     \
  {                                                                                                          \
    .block_columns = 32, .block_bytes = 34, .low_bits = 8, .part_columns = 32, .part_scales = CK_PARTS_HALF, \
    .code_bias = 128                                                                                         \
  }

static inline void q8_0_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored);
  for (size_t i = 0; i < 32; i++) block->codes[i] = stored[2 + i] ^ 0x80;
}
