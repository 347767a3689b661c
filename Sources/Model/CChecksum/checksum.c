#include <pthread.h>

#include "checksum_internal.h"

enum { WORD_BYTES = 8, VECTOR_BYTES = CC_LANES * WORD_BYTES, BLOCK_BYTES = 2048 * WORD_BYTES };

static uint64_t first_key[CC_LANES], key_step[CC_LANES], upper_key[CC_LANES];
// By rising speed; those that this processor lacks are NULL.
enum { KERNEL_COUNT = 3 };
static cc_vector_sums kernels[KERNEL_COUNT] = {cc_sums_portable};
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint64_t mix(uint64_t x) {
  uint64_t z = x * UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

static void prepare(void) {
  for (size_t lane = 0; lane < CC_LANES; lane++) {
    first_key[lane] = mix(lane + 1) | 1;
    key_step[lane] = (mix(lane + 5) | 1) << 1;
    upper_key[lane] = mix(lane + 9) | 1;
  }
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) kernels[1] = cc_sums_avx2;
  if (__builtin_cpu_supports("avx512f")) kernels[2] = cc_sums_avx512;
#endif
}

void cc_sums_portable(const uint8_t *bytes, size_t count, cc_lane_sums *out) {
  uint64_t sum[CC_LANES] = {0}, sum_of_sums[CC_LANES] = {0}, upper[CC_LANES] = {0};
  for (size_t r = 0; r < count; r++) {
    uint64_t words[CC_LANES];
    memcpy(words, bytes + r * VECTOR_BYTES, VECTOR_BYTES);
    for (size_t lane = 0; lane < CC_LANES; lane++) sum[lane] += words[lane];
    for (size_t lane = 0; lane < CC_LANES; lane++) sum_of_sums[lane] += sum[lane];
    for (size_t lane = 0; lane < CC_LANES; lane++) upper[lane] += words[lane] >> 32;
  }
  for (size_t lane = 0; lane < CC_LANES; lane++) {
    out->sum[lane] = sum[lane];
    out->weighted[lane] = count * sum[lane] - sum_of_sums[lane];
    out->upper[lane] = upper[lane];
  }
}

// The products of some bytes, all of one block, with their keys but for the block's factor; `at` is the first byte's
// place in the block.
static uint64_t few(const uint8_t *bytes, size_t count, size_t at) {
  uint64_t sum = 0;
  while (count > 0) {
    const size_t word = at / WORD_BYTES, skip = at % WORD_BYTES;
    const size_t here = count < WORD_BYTES - skip ? count : WORD_BYTES - skip;
    uint64_t value = 0;
    for (size_t i = 0; i < here; i++) value |= (uint64_t)bytes[i] << (8 * (skip + i));
    const size_t lane = word % CC_LANES;
    sum += value * (first_key[lane] + key_step[lane] * (word / CC_LANES)) + (value >> 32) * upper_key[lane];
    bytes += here;
    count -= here;
    at += here;
  }
  return sum;
}

static uint64_t block_sum(const uint8_t *bytes, size_t count, size_t at, cc_vector_sums vector_sums) {
  const size_t gap = (VECTOR_BYTES - at % VECTOR_BYTES) % VECTOR_BYTES;
  const size_t head = count < gap ? count : gap;
  const size_t vectors = (count - head) / VECTOR_BYTES;
  const size_t done = head + vectors * VECTOR_BYTES;
  uint64_t sum = few(bytes, head, at) + few(bytes + done, count - done, at + done);
  if (vectors > 0) {
    cc_lane_sums found;
    vector_sums(bytes + head, vectors, &found);
    const uint64_t first = (at + head) / VECTOR_BYTES;
    for (size_t lane = 0; lane < CC_LANES; lane++) {
      sum += first_key[lane] * found.sum[lane] + key_step[lane] * (first * found.sum[lane] + found.weighted[lane]) +
             upper_key[lane] * found.upper[lane];
    }
  }
  return sum;
}

static uint64_t sum_with(const void *bytes, size_t count, uint64_t offset, cc_vector_sums vector_sums) {
  const uint8_t *next = bytes;
  uint64_t sum = 0;
  while (count > 0) {
    const size_t at = (size_t)(offset % BLOCK_BYTES);
    const size_t here = count < BLOCK_BYTES - at ? count : BLOCK_BYTES - at;
    sum += (mix(offset / BLOCK_BYTES + (UINT64_C(1) << 32)) | 1) * block_sum(next, here, at, vector_sums);
    next += here;
    offset += here;
    count -= here;
  }
  return sum;
}

uint64_t cc_sum(const void *bytes, size_t count, uint64_t offset) {
  pthread_once(&once, prepare);
  cc_vector_sums best = kernels[0];
  for (size_t i = 1; i < KERNEL_COUNT; i++) best = kernels[i] ? kernels[i] : best;
  return sum_with(bytes, count, offset, best);
}

size_t cc_kernel_count(void) { return KERNEL_COUNT; }

uint64_t cc_sum_with(size_t kernel, const void *bytes, size_t count, uint64_t offset) {
  pthread_once(&once, prepare);
  const cc_vector_sums sums = kernel < KERNEL_COUNT ? kernels[kernel] : NULL;
  return sum_with(bytes, count, offset, sums ? sums : kernels[0]);
}
