// Int8 matmul on AVX2 with GGUF's blocks of 32 columns, Q4_0 to Q8_0.
#define FORMATS CK_PLAIN_BLOCKS
#include "matmul_int8_avx2.inc"
