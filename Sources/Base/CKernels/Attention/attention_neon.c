#if defined(__aarch64__)
#include "../Vectors/native_neon.h"

#include "attention_template.h"
#pragma clang attribute pop
#else
typedef int ck_no_neon_here;
#endif
