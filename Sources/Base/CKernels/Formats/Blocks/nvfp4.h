// NVFP4: E2M1 with an E4M3 scale for 16 columns, whose sign does not count, and whose NaN is zero.
#define CK_NVFP4_GEOMETRY \
  { .block_columns = 64, .block_bytes = 36 }

static inline void nvfp4_expand(const uint8_t *stored, float *out) {
  for (size_t part = 0; part < 4; part++) {
    const uint8_t bits = stored[part] & 0x7F;
    const float scale = bits == 0x7F ? 0.0f : ck_value_f8e4m3(bits) * 0.5f;
    uint8_t codes[16];
    block_halves(stored + 4 + 8 * part, 16, codes);
    for (size_t i = 0; i < 16; i++) *out++ = scale * (float)ck_e2m1_level[codes[i]];
  }
}
