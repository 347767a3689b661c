#include "CHost.h"

#include <errno.h>
#include <sys/resource.h>

int host_raise_file_limit(uint64_t most, uint64_t *limit) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return errno;
  *limit = files.rlim_cur;
  rlim_t wanted = files.rlim_max < most ? files.rlim_max : most;
  if (files.rlim_cur >= wanted) return 0;
  files.rlim_cur = wanted;
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) return errno;
  *limit = wanted;
  return 0;
}
