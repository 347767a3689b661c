#include "CChecksum.h"

// Σ w(i) · keys[i] over `count` words at `bytes`, which need not be aligned. `keys` has one more word than is used.
typedef uint64_t (*cc_word_sum)(const uint8_t *bytes, size_t count, const uint32_t *keys);

uint64_t cc_words_portable(const uint8_t *bytes, size_t count, const uint32_t *keys);
#if defined(__x86_64__)
uint64_t cc_words_avx2(const uint8_t *bytes, size_t count, const uint32_t *keys);
#endif
