#if defined(__x86_64__)
#include "../Vectors/native_avx512.h"

#include "attention_template.h"
#pragma clang attribute pop
#else
typedef int ck_no_avx512_here;
#endif
