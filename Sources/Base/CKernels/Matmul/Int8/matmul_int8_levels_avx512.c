// Int8 matmul on AVX-512 VNNI with the formats of levels; expanded panels of all formats, and the table of products.
#define FORMATS CK_LEVEL_FORMATS
#define KERNELS_NAME ck_int8_rows_avx512
#include "matmul_int8_avx512.inc"
