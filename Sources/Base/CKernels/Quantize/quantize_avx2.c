#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define NATIVE(name) ck_avx2_##name
#include "quantize_kernel.inc"
#pragma clang attribute pop
#else
typedef int ck_no_quantize_avx2;
#endif
