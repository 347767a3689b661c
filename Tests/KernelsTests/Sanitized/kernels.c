// Runs our C under a sanitizer (deploy/sanitize.sh) or an emulator (Tests/Reference/run_*_in_*.sh): every kernel on
// every instruction set this processor has, in buffers of exactly the size that its header promises to keep to, so that
// a byte more is found; and the thread pool. Results are held to the reference's bits. What the kernels compute is
// KernelsTests' business.
//
//   kernels [--int8] [SET…]   --int8: only products of int8 rows; SET: these instruction sets, whatever the processor
//   has
#include <CChecksum.h>
#include <CHost.h>
#include <CKernels.h>
#include <math.h>

#include "products.h"

typedef void (*row_operation)(ck_isa isa, float *out, const float *a, const float *b, size_t n);
static void rms_norm(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  ck_rms_norm(isa, a, n, 1, n, b, 1e-6f, out, n);
}
static void layer_norm(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  ck_layer_norm(isa, a, n, b, b, 1e-6f, out);
}
static void silu(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  ck_silu_multiply(isa, a, b, out, n);
}
static void sigmoid(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  ck_sigmoid_multiply(isa, a, b, out, n);
}
static void l2_norm(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  (void)b, ck_l2_norm(isa, a, n, 1, n, 1e-6f, 0.5f, out, n);
}
static void gated_norm(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  ck_gated_rms_norm(isa, a, n, b, n, 1, n, b, 1e-6f, out, n);
}
static void convolution(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  const float *rows[2] = {b, a};
  ck_causal_convolution(isa, rows, 2, b, 0, n, out);
}
static void swiglu(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  ck_clamped_swiglu(isa, a, b, out, n, 1.702f, 7);
}
static void limited(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  ck_limited_swiglu(isa, a, b, out, n, 7);
}
static void add(ck_isa isa, float *out, const float *a, const float *b, size_t n) { (void)b, ck_add(isa, out, a, n); }
static void sum(ck_isa isa, float *out, const float *a, const float *b, size_t n) { ck_sum(isa, a, b, out, n); }
static void scale(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  (void)b, ck_scale(isa, a, 1.5f, out, n);
}
static void add_scaled(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  (void)b, ck_add_scaled(isa, out, a, 0.3f, n);
}
static void clip(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  (void)a, (void)b, ck_clip(isa, out, 0.5f, n);
}
static void largest(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  (void)b, out[0] = ck_max(isa, a, n);
}
static void sum_exp(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  (void)b, out[0] = ck_sum_exp(isa, a, n, 1);
}
// `out` is the bias.
static void pool(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  float *sums = allocated(3 * n * sizeof(float));
  ck_pool(isa, a, b, out, n, true, sums), ck_pool(isa, b, a, out, n, false, sums);
  ck_pooled(isa, sums, n, out);
  free(sums);
}
static void exponentials(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  (void)b, ck_exponentials(isa, a, out, n);
}
static void rope_halves(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  ck_rope(isa, out, 1, n, n / 2 * 2, a, b, false);
}
static void rope_interleaved(ck_isa isa, float *out, const float *a, const float *b, size_t n) {
  ck_rope(isa, out, 1, n, n / 2 * 2, a, b, true);
}

static void elementwise(ck_isa isa) {
  static const struct {
    const char *name;
    row_operation run;
  } operations[] = {{"rms_norm", rms_norm},
                    {"layer_norm", layer_norm},
                    {"silu_multiply", silu},
                    {"sigmoid_multiply", sigmoid},
                    {"l2_norm", l2_norm},
                    {"gated_rms_norm", gated_norm},
                    {"causal_convolution", convolution},
                    {"clamped_swiglu", swiglu},
                    {"limited_swiglu", limited},
                    {"add", add},
                    {"sum", sum},
                    {"scale", scale},
                    {"add_scaled", add_scaled},
                    {"clip", clip},
                    {"max", largest},
                    {"sum_exp", sum_exp},
                    {"exponentials", exponentials},
                    {"pool", pool},
                    {"rope in halves", rope_halves},
                    {"rope interleaved", rope_interleaved}};
  for (size_t n = 1; n <= 100; n++) {
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
      float *a = numbers(n), *b = numbers(n), *out = numbers(n), *expected = copy(out, n);
      operations[i].run(isa, out, a, b, n);
      operations[i].run(CK_ISA_REFERENCE, expected, a, b, n);
      hold(out, expected, n * sizeof(float), operations[i].name, isa, n, 0);
      free(a), free(b), free(out), free(expected);
    }
  }
}

// Blocks that no panel holds.
static void expansions(void) {
  for (ck_format format = CK_F32; format < CK_FORMAT_COUNT; format++) {
    size_t bytes = 0, k = 2 * ck_block_columns(format);
    if (k == 0) continue;
    uint8_t *row = stored(format, k, &bytes);
    for (size_t count = 1; count <= k; count++) {
      float *values = allocated(count * sizeof(float));
      ck_expand(format, row, NULL, count, values);
      free(values);
    }
    free(row);
  }
}

static void quantize(ck_isa isa) {
  for (ck_format format = CK_Q8; format <= CK_Q4; format++)
    for (size_t k = 1; k <= 200; k++) {
      size_t bytes = ck_stored_bytes(format, k), blocks = (k + CK_Q_BLOCK - 1) / CK_Q_BLOCK;
      float *x = numbers(k), scale = 0, other = 0;
      uint8_t *elements = allocated(bytes), *scales = allocated(blocks), *expected = allocated(bytes);
      ck_quantize_row(isa, format, x, k, elements, scales, &scale);
      ck_quantize_row(CK_ISA_REFERENCE, format, x, k, expected, scales, &other);
      hold(elements, expected, bytes, "quantize_row", isa, format, k);
      hold(&scale, &other, sizeof scale, "a row's scale", isa, format, k);
      free(x), free(elements), free(scales), free(expected);
    }
}

// A cache of random vectors, keys and values of `dims` elements, values being the first of the keys' where they are
// shared.
static ck_paged_cache cached(ck_cache_type type, size_t dims, size_t positions, bool is_shared) {
  const size_t tokens = CK_ATTENTION_TILE, count = (positions + tokens - 1) / tokens;
  const size_t bytes = ck_cache_position_bytes(CK_CACHE_Q8, dims), width = type == CK_CACHE_F32 ? 4 : 2;
  const bool is_q8 = type == CK_CACHE_Q8;
  const void **blocks = allocated(count * sizeof *blocks);
  ck_paged_cache cache = {.type = type,
                          .blocks = blocks,
                          .block_tokens = tokens,
                          .row_stride = is_q8 ? (is_shared ? 1 : 2) * bytes : 2 * dims + 3,
                          .key_offset = is_q8 ? 0 : 1,
                          .value_offset = is_q8       ? (is_shared ? 0 : tokens * bytes)
                                          : is_shared ? 1
                                                      : dims + 3,
                          .key_dims = dims,
                          .value_dims = is_shared ? (dims + 1) / 2 : dims};
  for (size_t i = 0; i < count; i++) {
    uint8_t *block = allocated(tokens * cache.row_stride * (is_q8 ? 1 : width));
    if (is_q8) {
      for (size_t at = 0; at < (is_shared ? 1 : 2) * tokens; at++) {
        float *values = numbers(dims);
        ck_cache_store_q8(values, dims, block + at / tokens * tokens * bytes, at % tokens);
        free(values);
      }
    } else {
      float *values = numbers(tokens * cache.row_stride);
      ck_cache_store(type, values, tokens * cache.row_stride, block);
      free(values);
    }
    blocks[i] = block;
  }
  return cache;
}

static void attention(ck_isa isa, ck_cache_type type, size_t dims, size_t positions, bool is_shared) {
  ck_paged_cache cache = cached(type, dims, positions, is_shared);
  const size_t out_dims = cache.value_dims;
  enum { row_count = 6 };
  float *query = numbers(row_count * dims), *out = numbers(row_count * out_dims);
  float *expected = copy(out, row_count * out_dims);
  float *scratch = allocated(ck_attention_scratch(&cache) * sizeof(float)), sink = 0.5f;
  for (int reference = 0; reference < 2; reference++) {
    ck_query_row rows[row_count];
    for (size_t i = 0; i < row_count; i++)
      rows[i] = (ck_query_row){.query = query + i * dims,
                               .out = (reference ? expected : out) + i * out_dims,
                               .sink = i % 2 ? &sink : NULL,
                               .begin = i < 3 || positions < 4 ? 0 : positions / 4,
                               .end = i < 4 ? positions : positions - positions / 2};
    ck_attention(reference ? CK_ISA_REFERENCE : isa, &cache, rows, row_count, 0.2f, scratch);
  }
  hold(out, expected, row_count * out_dims * sizeof(float), "attention", isa, dims, positions);
  uint32_t *chosen = allocated(positions * sizeof *chosen);
  float *gathered = allocated(ck_attention_chosen_scratch(&cache) * sizeof(float));
  for (size_t i = 0; i < positions; i++) chosen[i] = (uint32_t)(positions - 1 - i);
  for (int reference = 0; reference < 2; reference++) {
    ck_query_row rows[row_count];
    for (size_t i = 0; i < row_count; i++)
      rows[i] = (ck_query_row){.query = query + i * dims,
                               .out = (reference ? expected : out) + i * out_dims,
                               .begin = 0,
                               .end = i < 4 ? positions : positions - positions / 2};
    ck_attention_chosen(reference ? CK_ISA_REFERENCE : isa, &cache, chosen, rows, row_count, 0.2f, gathered);
  }
  hold(out, expected, row_count * out_dims * sizeof(float), "attention over chosen positions", isa, dims, positions);
  free(chosen), free(gathered);
  for (size_t at = 0; at < positions; at += CK_ATTENTION_TILE) free((void *)cache.blocks[at / CK_ATTENTION_TILE]);
  free((void *)cache.blocks), free(query), free(out), free(expected), free(scratch);
}

static void indexer(ck_isa isa, ck_cache_type type, size_t dims, size_t positions) {
  enum { heads = 9 };
  size_t tokens = CK_ATTENTION_TILE, width = type == CK_CACHE_F32 ? 4 : 2;
  size_t count = (positions + tokens - 1) / tokens;
  const void **blocks = allocated(count * sizeof *blocks);
  for (size_t i = 0; i < count; i++)
    blocks[i] = memset(allocated((1 + dims * tokens) * width), 0, (1 + dims * tokens) * width);
  ck_index_cache cache = {.type = type, .blocks = blocks, .block_tokens = tokens, .offset = 1, .dims = dims};
  for (size_t p = 0; p < positions; p++) {
    float *key = numbers(dims);
    ck_index_store(&cache, key, p);
    free(key);
  }
  float *queries = numbers(heads * dims), *weights = numbers(heads);
  float *scores = numbers(positions), *expected = copy(scores, positions);
  ck_index_scores(isa, &cache, queries, weights, heads, 0, positions, scores);
  ck_index_scores(CK_ISA_REFERENCE, &cache, queries, weights, heads, 0, positions, expected);
  hold(scores, expected, positions * sizeof(float), "index scores", isa, dims, positions);
  size_t wanted = (positions + 1) / 2;
  uint32_t *chosen = allocated(wanted * sizeof *chosen);
  ck_index_choose(scores, positions, wanted, chosen);
  for (size_t i = 0; i < wanted; i++)
    if (chosen[i] >= positions || (i && chosen[i] <= chosen[i - 1])) failures++, printf("a choice out of order\n");
  for (size_t i = 0; i < count; i++) free((void *)blocks[i]);
  free(blocks), free(queries), free(weights), free(scores), free(expected), free(chosen);
}

static void attentions(ck_isa isa) {
  static const size_t widths[] = {1, 15, 16, 17, 40, 64, 80, 96}, lengths[] = {1, 2, 31, 32, 33, 64, 100};
  for (size_t d = 0; d < sizeof widths / sizeof *widths; d++)
    for (size_t n = 0; n < sizeof lengths / sizeof *lengths; n++)
      for (ck_cache_type type = CK_CACHE_F32; type <= CK_CACHE_Q8; type++) {
        attention(isa, type, widths[d], lengths[n], false);
        attention(isa, type, widths[d], lengths[n], true);
        if (type != CK_CACHE_Q8) indexer(isa, type, widths[d], lengths[n]);
      }
}

static void checksums(void) {
  uint8_t *bytes = allocated(40000);
  for (size_t i = 0; i < 40000; i++) bytes[i] = (uint8_t)i;
  for (size_t count = 0; count < 200; count++) {
    uint8_t *part = allocated(count);
    memcpy(part, bytes, count);
    for (size_t kernel = 1; kernel < cc_kernel_count(); kernel++)
      if (cc_sum_with(kernel, part, count, 0) != cc_sum_with(0, part, count, 0))
        failures++, printf("sums of %zu bytes differ by kernel %zu\n", count, kernel);
    free(part);
  }
  for (size_t cut = 0; cut < 40000; cut += 997)
    if (cc_sum(bytes, cut, 0) + cc_sum(bytes + cut, 40000 - cut, cut) != cc_sum(bytes, 40000, 0))
      failures++, printf("sums cut at %zu do not add up\n", cut);
  free(bytes);
}

static void pools(void) {
  for (long workers = 1; workers <= 5; workers++)
    for (int round = 0; round < 20; round++) {
      int error = 0;
      host_pool *pool = host_pool_create(workers, NULL, 10000, 512 << 10, &error);
      if (!pool) failures++, printf("no pool of %ld: error %d\n", workers, error);
      if (pool) host_pool_destroy(pool);
    }
  int cores[4096];
  if (host_allowed_cores(cores, 4096) < 1) failures++, printf("no cores\n");
  uint64_t digest = 0;
  if (host_file_digest("/proc/self/exe", &digest)) failures++, printf("no digest of this program\n");
}

// The gated delta rule over a few tokens of one head; columns past the last are nobody's.
static void delta_rule(ck_isa isa) {
  for (size_t keys = 1; keys <= 20; keys++) {
    for (size_t values = 1; values <= 40; values += 3) {
      const size_t panels = (values + 15) / 16, size = panels * keys * 16, count = 3;
      float *state = numbers(size), *other = copy(state, size), *out = numbers(count * values);
      float *expected = copy(out, count * values), *key = numbers(count * keys), *query = numbers(count * keys);
      float *value = numbers(count * values), *decay = numbers(count), *beta = numbers(count);
      ck_delta_tokens tokens = {query, key, value, decay, beta, out, keys, values, 1, values};
      ck_delta_rule(isa, state, keys, values, 0, panels, &tokens, count);
      tokens.out = expected;
      ck_delta_rule(CK_ISA_REFERENCE, other, keys, values, 0, panels, &tokens, count);
      hold(out, expected, count * values * sizeof(float), "delta_rule", isa, keys, values);
      float *all[] = {state, other, out, expected, key, query, value, decay, beta};
      for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    }
  }
}

static bool is_named(ck_isa isa, int count, char **names) {
  for (int i = 0; i < count; i++)
    if (strcmp(names[i], ck_isa_name(isa)) == 0) return true;
  return false;
}

int main(int count, char **words) {
  bool only_int8 = count > 1 && strcmp(words[1], "--int8") == 0;
  int first = only_int8 ? 2 : 1, ran = 0;
  for (ck_isa isa = only_int8 ? CK_ISA_AVX2 : CK_ISA_REFERENCE; isa < CK_ISA_COUNT; isa++) {
    if (count > first ? !is_named(isa, count - first, words + first) : !ck_isa_supported(isa)) continue;
    printf("%s%s\n", ck_isa_name(isa), ck_isa_supported(isa) ? "" : " (this processor does not say that it has it)");
    ran++;
    fflush(stdout);
    products(isa, only_int8);
    if (!only_int8) elementwise(isa), delta_rule(isa), quantize(isa), attentions(isa);
  }
  if (ran == 0) {
    printf("no instruction set is called so\n");
    return 2;
  }
  if (!only_int8) expansions(), checksums(), pools();
  printf("%d differences\n", failures);
  return failures > 0;
}
