#define _GNU_SOURCE
#include "CHost.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static inline uint64_t mixed(uint64_t sum, uint64_t word) {
  sum = (sum ^ word) * 0x9E3779B97F4A7C15u;
  return sum << 31 | sum >> 33;
}

int host_file_digest(const char *path, uint64_t *digest) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return errno;
  struct stat status;
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0) {
    int error = errno != 0 ? errno : EINVAL;
    close(file);
    return error;
  }
  size_t count = (size_t)status.st_size;
  const unsigned char *bytes = mmap(NULL, count, PROT_READ, MAP_PRIVATE, file, 0);
  int error = errno;
  close(file);
  if (bytes == MAP_FAILED) return error;
  // Four sums beside each other, as one waits for its multiplication.
  uint64_t sums[4] = {count, 1, 2, 3};
  size_t at = 0;
  for (; at + 32 <= count; at += 32) {
    uint64_t words[4];
    memcpy(words, bytes + at, 32);
    for (int i = 0; i < 4; i++) sums[i] = mixed(sums[i], words[i]);
  }
  for (; at < count; at++) sums[at & 3] = mixed(sums[at & 3], bytes[at]);
  munmap((void *)bytes, count);
  uint64_t result = count;
  for (int i = 0; i < 4; i++) result = mixed(result, sums[i]);
  *digest = result ^ result >> 29;
  return 0;
}
