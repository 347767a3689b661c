// One instruction set's attention; the reference is its specification.
#ifndef C_KERNELS_ATTENTION_KERNELS_H
#define C_KERNELS_ATTENTION_KERNELS_H
#include "attention.h"

typedef void ck_attention_kernel(const ck_paged_cache *cache, const ck_query_row *rows, size_t row_count, float scale);

ck_attention_kernel ck_reference_attention;
#if defined(__x86_64__)
ck_attention_kernel ck_avx2_attention;
ck_attention_kernel ck_avx512_attention;
#elif defined(__aarch64__)
ck_attention_kernel ck_neon_attention;
#endif

/// The row of the cache at one position.
static inline const float *ck_cache_row(const ck_paged_cache *cache, size_t position) {
  return cache->blocks[position / cache->block_tokens] + position % cache->block_tokens * cache->row_stride;
}
#endif
