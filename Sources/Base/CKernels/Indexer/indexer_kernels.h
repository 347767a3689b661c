// One instruction set's part of the indexer; the reference is its specification.
#ifndef C_KERNELS_INDEXER_KERNELS_H
#define C_KERNELS_INDEXER_KERNELS_H
#include "../Attention/attention_kernels.h"
#include "indexer.h"

typedef void ck_index_kernel(const ck_index_cache *cache, const float *queries, const float *weights, size_t heads,
                             size_t begin, size_t end, float *scores);

ck_index_kernel ck_reference_index_scores;
#if defined(__x86_64__)
ck_index_kernel ck_avx2_index_scores;
ck_index_kernel ck_avx512_index_scores;
#elif defined(__aarch64__)
ck_index_kernel ck_neon_index_scores;
#endif
#endif
