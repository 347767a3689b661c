// Int8 matmul on AVX-512 VNNI with GGUF's K blocks.
#define FORMATS CK_K_BLOCKS
#include "matmul_int8_avx512.inc"
