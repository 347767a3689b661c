// Int8 matmul on AVX2 with GGUF's K blocks.
#define FORMATS CK_K_BLOCKS
#include "matmul_int8_avx2.inc"
