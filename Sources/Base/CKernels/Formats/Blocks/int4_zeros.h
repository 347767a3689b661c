// INT4 with a zero, a level of its own for 32 columns that stands for 0: what AWQ, GPTQ and compressed-tensors pack
// without symmetry, whose scales are BF16 or F16. Whoever reads such a checkpoint puts blocks together.
#define CK_INT4_ZEROS_GEOMETRY                                                                                 \
  {                                                                                                            \
    .block_columns = 32, .block_bytes = 19, .low_bits = 4, .part_columns = 32, .part_scales = CK_PARTS_BFLOAT, \
    .has_zeros = true                                                                                          \
  }
#define CK_INT4_HALF_ZEROS_GEOMETRY                                                                          \
  {                                                                                                          \
    .block_columns = 32, .block_bytes = 19, .low_bits = 4, .part_columns = 32, .part_scales = CK_PARTS_HALF, \
    .has_zeros = true                                                                                        \
  }

// Zeros are 0 to 16; more would not fit a byte's level when they are taken away.
static inline void int4_zeros_decode(const uint8_t *stored, ck_block *block) {
  block->d = block_u16(stored);
  block->m = stored[2] & 31;
  block_pairs(stored + 3, 32, block->codes);
}
static inline void int4_half_zeros_decode(const uint8_t *stored, ck_block *block) { int4_zeros_decode(stored, block); }
