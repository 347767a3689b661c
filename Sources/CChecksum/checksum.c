#include <pthread.h>
#include <string.h>

#include "checksum_internal.h"

enum { BLOCK_WORDS = 1024, BLOCK_BYTES = 4 * BLOCK_WORDS };

static uint32_t keys[BLOCK_WORDS + 8];
static cc_word_sum best_words = cc_words_portable;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint64_t mix(uint64_t x) {
  uint64_t z = x * UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

static void prepare(void) {
  for (size_t j = 0; j < BLOCK_WORDS; j++) keys[j] = (uint32_t)(mix(j + 1) >> 32) | 1;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) best_words = cc_words_avx2;
#endif
}

uint64_t cc_words_portable(const uint8_t *bytes, size_t count, const uint32_t *k) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t word;
    memcpy(&word, bytes + 4 * i, 4);
    sum += (uint64_t)word * k[i];
  }
  return sum;
}

// Some bytes of one word, the first of which is its byte `at`.
static uint32_t part(const uint8_t *bytes, size_t count, size_t at) {
  uint32_t word = 0;
  for (size_t i = 0; i < count; i++) word |= (uint32_t)bytes[i] << (8 * (at + i));
  return word;
}

// `count` bytes of one block, from its byte `at` on.
static uint64_t block_sum(const uint8_t *bytes, size_t count, size_t at, cc_word_sum words) {
  uint64_t sum = 0;
  const size_t skip = at % 4;
  if (skip != 0) {
    const size_t head = count < 4 - skip ? count : 4 - skip;
    sum += (uint64_t)part(bytes, head, skip) * keys[at / 4];
    bytes += head;
    count -= head;
    at += head;
  }
  sum += words(bytes, count / 4, keys + at / 4);
  const size_t tail = count % 4;
  if (tail != 0) sum += (uint64_t)part(bytes + count - tail, tail, 0) * keys[(at + count) / 4];
  return sum;
}

static uint64_t sum_with(const void *bytes, size_t count, uint64_t offset, cc_word_sum words) {
  const uint8_t *next = bytes;
  uint64_t sum = 0;
  while (count > 0) {
    const size_t at = (size_t)(offset % BLOCK_BYTES);
    const size_t here = count < BLOCK_BYTES - at ? count : BLOCK_BYTES - at;
    sum += (mix(offset / BLOCK_BYTES + (UINT64_C(1) << 32)) | 1) * block_sum(next, here, at, words);
    next += here;
    offset += here;
    count -= here;
  }
  return sum;
}

uint64_t cc_sum(const void *bytes, size_t count, uint64_t offset) {
  pthread_once(&once, prepare);
  return sum_with(bytes, count, offset, best_words);
}

uint64_t cc_sum_portable(const void *bytes, size_t count, uint64_t offset) {
  pthread_once(&once, prepare);
  return sum_with(bytes, count, offset, cc_words_portable);
}
