#if defined(__x86_64__)
#include "../Vectors/native_avx2.h"

#include "indexer_template.h"
#pragma clang attribute pop
#else
typedef int ck_no_avx2_here;
#endif
