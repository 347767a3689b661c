// Quantisation of weights: the portable kernel, expansions of scaled formats, and the choice of an instruction set.
#define NATIVE(name) ck_portable_##name
#include "quantize_kernel.inc"

size_t ck_quantized_row_bytes(ck_format format, size_t k) {
  return format == CK_Q8 ? k : format == CK_Q4 ? (k + 7) / 8 * 4 : 0;
}

void ck_quantize_row(ck_isa isa, ck_format format, const float *x, size_t k, void *elements, uint8_t *block_scales,
                     float *row_scale) {
  switch (isa) {
#if defined(__x86_64__)
    case CK_ISA_AVX2: ck_avx2_quantize_row(format, x, k, elements, block_scales, row_scale); return;
    case CK_ISA_AVX512: ck_avx512_quantize_row(format, x, k, elements, block_scales, row_scale); return;
#endif
    default: ck_portable_quantize_row(format, x, k, elements, block_scales, row_scale);
  }
}

void ck_set_scales_q(ck_format format, void *panel, size_t k, size_t lane, const uint8_t *block_scales,
                     float row_scale) {
  uint8_t *scales = (uint8_t *)panel + ck_panel_element_bytes(format, k);
  const size_t blocks = ck_q_blocks(k);
  for (size_t b = 0; b < blocks; b++) scales[b * CK_PANEL + lane] = block_scales[b];
  memcpy(scales + ck_round64(blocks * CK_PANEL) + lane * sizeof(float), &row_scale, sizeof row_scale);
}

void ck_expand_mxfp4(const uint8_t *pairs, const uint8_t *exponents, size_t k, float *out) {
  for (size_t block = 0; block * CK_MXFP4_SCALE_BLOCK < k; block++) {
    const float scale = ck_value_e8m0(exponents[block]);
    const size_t end = ck_min(k, (block + 1) * CK_MXFP4_SCALE_BLOCK);
    for (size_t i = block * CK_MXFP4_SCALE_BLOCK; i < end; i++) {
      out[i] = ck_value_fp4(i % 2 ? pairs[i / 2] >> 4 : pairs[i / 2]) * scale;
    }
  }
}

void ck_expand_f8(const uint8_t *bytes, const float *scales, size_t k, float *out) {
  for (size_t i = 0; i < k; i++) out[i] = ck_value_f8e4m3(bytes[i]) * scales[i / CK_F8_SCALE_BLOCK];
}
