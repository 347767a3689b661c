// IQ1_S: eight trits an index, all moved up or down by an eighth.
#define CK_IQ1_S_GEOMETRY \
  { .block_columns = 256, .block_bytes = 50 }

static inline void iq1_s_expand(const uint8_t *stored, float *out) {
  const float d = ck_value_f16(block_u16(stored));
  for (size_t part = 0; part < 8; part++) {
    const uint16_t high = block_u16(stored + 34 + 2 * part);
    const float scale = d * (float)(2 * (high >> 12 & 7) + 1), delta = high & 0x8000 ? -0.125f : 0.125f;
    for (size_t i = 0; i < 4; i++, out += 8) {
      ck_grid_trits((size_t)(stored[2 + 4 * part + i] | (high >> 3 * i & 7) << 8), scale, delta, out);
    }
  }
}
