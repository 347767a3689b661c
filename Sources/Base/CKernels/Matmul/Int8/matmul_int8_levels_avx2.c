// Int8 matmul on AVX2 with the formats of levels; expanded panels of all formats, and the table of products.
#define FORMATS CK_LEVEL_FORMATS
#define KERNELS_NAME ck_int8_rows_avx2
#include "matmul_int8_avx2.inc"
