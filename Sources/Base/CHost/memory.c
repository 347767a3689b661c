#define _GNU_SOURCE
#include "CHost.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum { fixed_size = F_SEAL_SHRINK | F_SEAL_GROW };

int host_memory_create(size_t byte_count) {
  int descriptor = memfd_create("martinet-weights", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0) return -errno;
  if (ftruncate(descriptor, (off_t)byte_count) == 0 && fcntl(descriptor, F_ADD_SEALS, fixed_size) == 0)
    return descriptor;
  int error = errno;
  close(descriptor);
  return -error;
}

int host_memory_seal(int descriptor) { return fcntl(descriptor, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0 ? 0 : errno; }

int64_t host_memory_size(int descriptor) {
  int seals = fcntl(descriptor, F_GET_SEALS);
  struct stat status;
  if (seals < 0 || (seals & fixed_size) != fixed_size || fstat(descriptor, &status) != 0) return -1;
  return status.st_size;
}

int host_memory_collapse(void *start, size_t byte_count) {
  return madvise(start, byte_count, MADV_COLLAPSE) == 0 ? 0 : errno;
}
