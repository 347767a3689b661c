// Probes of this machine's limits, for benchmarks: what the kernels are compared with.
#ifndef C_KERNELS_PROBES_H
#define C_KERNELS_PROBES_H
#include "isa.h"

/// Reads `bytes` bytes (a multiple of 1024) as fast as one core can and returns a checksum of them.
uint64_t ck_probe_read(ck_isa isa, const void *memory, size_t bytes);
/// Runs `iterations` rounds of independent fp32 fused multiply-adds and returns the number of floating-point
/// operations done (2 per multiply-add per lane).
uint64_t ck_probe_fma(ck_isa isa, uint64_t iterations);
#endif
