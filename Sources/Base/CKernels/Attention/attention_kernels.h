// One instruction set's attention; the reference is its specification.
#ifndef C_KERNELS_ATTENTION_KERNELS_H
#define C_KERNELS_ATTENTION_KERNELS_H
#include <string.h>

#include "attention.h"

/// `positions`: what the rows' positions are called in the cache; NULL where they are its own.
typedef void ck_attention_kernel(const ck_paged_cache *cache, const uint32_t *positions, const ck_query_row *rows,
                                 size_t row_count, float scale, float *scratch);

ck_attention_kernel ck_reference_attention, ck_reference_attention_q8;
#if defined(__x86_64__)
ck_attention_kernel ck_avx2_attention, ck_avx2_attention_q8;
ck_attention_kernel ck_avx512_attention, ck_avx512_attention_q8;
#elif defined(__aarch64__)
ck_attention_kernel ck_neon_attention, ck_neon_attention_q8, ck_dotprod_attention_q8;
#endif

/// Floats of scratch over a q8 cache, of all positions and of chosen ones.
size_t ck_q8_scratch_floats(const ck_paged_cache *cache);
size_t ck_q8_chosen_scratch_floats(const ck_paged_cache *cache);

/// What offsets and strides count.
static inline size_t ck_cache_element_bytes(ck_cache_type type) {
  return type == CK_CACHE_F32 ? 4 : type == CK_CACHE_BF16 ? 2 : 1;
}

static inline float ck_float_from_bf16(uint16_t half) {
  const uint32_t bits = (uint32_t)half << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// Whether values are parts of the keys, as in latent attention.
static inline bool ck_values_in_keys(const ck_paged_cache *cache) {
  return cache->key_offset <= cache->value_offset &&
         cache->value_offset + cache->value_dims <= cache->key_offset + cache->key_dims;
}
#endif
