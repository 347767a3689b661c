// Int8 matmul on AVX2 with blocks whose levels are looked up, IQ4 and MXFP4.
#define FORMATS CK_TABLE_BLOCKS
#include "matmul_int8_avx2.inc"
