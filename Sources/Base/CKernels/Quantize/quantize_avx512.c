#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), \
                             apply_to = function)
#define NATIVE(name) ck_avx512_##name
#include "quantize_kernel.inc"
#pragma clang attribute pop
#else
typedef int ck_no_quantize_avx512;
#endif
