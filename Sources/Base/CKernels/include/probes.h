// Probes of this machine's limits, for benchmarks: what the kernels are compared with.
#ifndef C_KERNELS_PROBES_H
#define C_KERNELS_PROBES_H
#include "isa.h"

/// Reads `bytes` bytes (a multiple of 1024) as fast as one core can and returns a checksum of them.
uint64_t ck_probe_read(ck_isa isa, const void *memory, size_t bytes);
/// Runs `iterations` rounds of independent fp32 fused multiply-adds and returns the number of floating-point
/// operations done (2 per multiply-add per lane).
uint64_t ck_probe_fma(ck_isa isa, uint64_t iterations);
/// The same for the products of bf16 pairs and of int8 with fp32 and int32 sums (2 operations per product), in the
/// instructions made for them; 0 where the processor has none that this build uses.
uint64_t ck_probe_bf16(ck_isa isa, uint64_t iterations);
uint64_t ck_probe_int8(ck_isa isa, uint64_t iterations);
#endif
