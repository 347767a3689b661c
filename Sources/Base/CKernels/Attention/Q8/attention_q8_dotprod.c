// Attention over a q8 cache on Armv8.2 with the dot product instructions (SDOT).
#if defined(__aarch64__)
#define NATIVE_TARGET "neon,dotprod"
#include "../../Vectors/native_neon.h"

#include "attention_q8_neon.h"

#define ATTENTION ck_dotprod_attention_q8

INLINE vi i_dot_key(vi sum, vb key, vb query) { return vdotq_s32(sum, key, query); }

#include "attention_q8_template.h"
#pragma clang attribute pop
#else
typedef int ck_no_attention_q8_dotprod_here;
#endif
