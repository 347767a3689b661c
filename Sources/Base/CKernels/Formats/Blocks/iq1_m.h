// IQ1_M: IQ1_S's trits, with scales for 16 columns and an eighth's sign for 8; the block's scale lies in four pieces.
#define CK_IQ1_M_GEOMETRY \
  { .block_columns = 256, .block_bytes = 56 }

static inline void iq1_m_expand(const uint8_t *stored, float *out) {
  const uint8_t *const scales = stored + 48;
  uint16_t pieces = 0;
  for (size_t i = 0; i < 4; i++) pieces |= (uint16_t)(block_u16(scales + 2 * i) >> 12 << 4 * i);
  const float d = ck_value_f16(pieces);
  for (size_t index = 0; index < 32; index++, out += 8) {
    const int high = stored[32 + index / 2] >> index % 2 * 4 & 15;
    const int s = block_u16(scales + index / 8 * 2) >> index / 2 % 4 * 3 & 7;
    ck_grid_trits((size_t)(stored[index] | (high & 7) << 8), d * (float)(2 * s + 1), high & 8 ? -0.125f : 0.125f, out);
  }
}
