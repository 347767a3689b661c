// Runs CGradients under a sanitizer (deploy/sanitize.sh), in buffers of exactly the size that its headers promise to
// keep to, so that a byte more is found. Results are held to the reference's bits; what they are is GradientsTests'
// business.
#include <CGradients.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 1;

// Whether numbers are such that their products are about the least of the normal ones.
static bool is_least = false;

// From -2 to 2 (xorshift).
static float number(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  if (is_least) return ldexpf((state >> 40) % 2 ? 8 : -9, -66 - (int)(state >> 41 & 15));
  return (float)(state >> 40) * 0x1p-22f - 2;
}

static void *allocated(size_t bytes) {
  void *memory = malloc(bytes ? bytes : 1);
  if (!memory) abort();
  return memory;
}

static float *numbers(size_t count) {
  float *values = allocated(count * sizeof(float));
  for (size_t i = 0; i < count; i++) values[i] = number();
  return values;
}

static float *copy(const float *values, size_t count) {
  float *copied = allocated(count * sizeof(float));
  memcpy(copied, values, count * sizeof(float));
  return copied;
}

static float *scratch(size_t floats) {
  float *memory = aligned_alloc(64, (floats * sizeof(float) + 63) / 64 * 64);
  if (!memory) abort();
  return memory;
}

static int failures = 0;

static void hold(const float *found, const float *expected, size_t count, const char *what, ck_isa isa, size_t a,
                 size_t b) {
  if (memcmp(found, expected, count * sizeof(float)) == 0) return;
  if (failures++ < 20) printf("%s differs from the reference: %s, %zu, %zu\n", what, ck_isa_name(isa), a, b);
}

// Floats from the first to the last of `rows` rows.
static size_t extent(size_t rows, size_t columns, size_t stride) { return rows ? (rows - 1) * stride + columns : 0; }

static void product(ck_isa isa, size_t m, size_t n, size_t k, unsigned layout, float *room) {
  const bool a_turned = layout & 1, b_turned = layout & 2;
  const size_t gap = layout % 3, a_stride = (a_turned ? m : k) + gap, b_stride = (b_turned ? k : n) + gap;
  float *a = numbers(a_turned ? extent(k, m, a_stride) : extent(m, k, a_stride));
  float *b = numbers(b_turned ? extent(n, k, b_stride) : extent(k, n, b_stride));
  const size_t count = extent(m, n, n + gap);
  float *c = numbers(count);
  for (size_t i = 0; is_least && i < count; i++) c[i] *= number();
  float *expected = copy(c, count);
  cg_product call = {.rows = m,
                     .columns = n,
                     .depth = k,
                     .a = a,
                     .a_row_stride = a_turned ? 1 : a_stride,
                     .a_column_stride = a_turned ? a_stride : 1,
                     .b = b,
                     .b_row_stride = b_turned ? 1 : b_stride,
                     .b_column_stride = b_turned ? b_stride : 1,
                     .c = c,
                     .c_stride = n + gap,
                     .add = (layout & 4) != 0,
                     .bf16 = (layout & 8) != 0};
  cg_multiply(isa, &call, room);
  call.c = expected;
  cg_multiply(CK_ISA_REFERENCE, &call, room);
  hold(c, expected, count, "a product", isa, m * 1000 + n, k);
  free(a), free(b), free(c), free(expected);
}

static void products(ck_isa isa) {
  static const size_t sizes[] = {1, 2, 3, 5, 6, 7, 11, 12, 13, 16, 17, 31, 32, 33, 50},
                      depths[] = {1, 3, 4, 17, 256, 270};
  float *room = scratch(cg_product_scratch());
  unsigned layout = 0;
  for (size_t m = 0; m < sizeof sizes / sizeof *sizes; m++)
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++)
      for (size_t k = 0; k < sizeof depths / sizeof *depths; k++)
        for (int turn = 0; turn < 2; turn++, layout++) {
          is_least = layout % 5 == 0;
          product(isa, sizes[m], sizes[n], depths[k], layout, room);
        }
  is_least = false;
  for (layout = 0; layout < 16; layout += layout < 8 ? 1 : 4) product(isa, 205, 530, 258, layout, room);
  free(room);
}

static void rows(ck_isa isa, size_t n) {
  for (int reference = 0; reference < 2; reference++) {
    static float *kept[10];
    const uint64_t before = state;
    const ck_isa set = reference ? CK_ISA_REFERENCE : isa;
    float *x = numbers(n), *dy = numbers(n), *w = numbers(n), *out = numbers(n), *scales = numbers(1);
    float *dgate = numbers(n), *dup = numbers(n), *logits = numbers(n), *student = numbers(n), *teacher = numbers(n);
    float *sums = numbers(3 * n), *mean = numbers(n), *dmean = numbers(n), *dvalue = numbers(n), *dbias = numbers(n);
    for (size_t i = 0; i < n; i++) sums[n + i] = fabsf(sums[n + i]) + 1;
    cg_rms_norm(set, x, n, dy, n, 1, n, w, 1e-5f, out, n, scales);
    cg_rms_norm_weight(set, (cg_vectors){x, n, n}, (cg_vectors){dy, n, n}, 1, 1, n, scales, out, true);
    cg_sigmoid(set, x, n, dgate);
    cg_silu_multiply(set, x, w, dy, dgate, dup, n);
    cg_clamped_swiglu(set, x, w, dy, dgate, dy, n, 1.7f, 1);
    cg_limited_swiglu(set, x, w, dgate, teacher, student, n, 1);
    cg_pool(set, x, w, dup, n, sums, mean, dmean, dvalue, dbias);
    cg_clip(set, x, 1, w, n);
    const cg_logits known = cg_cross_entropy(set, logits, n, n / 2, 0.5f, 0.1f);
    scales[0] = cg_dot(set, x, dy, n) + known.sum + known.greatest + known.target;
    const cg_divergence_kind kind = {.beta = (double)(n % 3) / 2, .temperature = n % 2 ? 1 : 1.5f};
    const cg_divergence_row row = cg_divergence(set, student, teacher, n, n - 1, 0.5f, kind);
    scales[0] += (float)(row.entropy + row.divergence + cg_entropy(set, x, n));
    float *made[10] = {out, dgate, dup, w, logits, student, teacher, dvalue, dbias, scales};
    for (int i = 0; i < 10 && reference; i++) hold(kept[i], made[i], i < 9 ? n : 1, "a row", isa, n, (size_t)i);
    for (int i = 0; i < 10; i++) {
      if (reference) free(kept[i]), free(made[i]);
      kept[i] = made[i];
    }
    free(x), free(dy), free(sums), free(mean), free(dmean);
    if (!reference) state = before;
  }
}

// `ratio`: tokens of an entry, of which the last complete one is missing; 0 for none.
static void attention(ck_isa isa, size_t tokens, size_t key_dims, size_t value_dims, size_t window, bool latent,
                      size_t ratio) {
  const size_t keys = tokens * key_dims, values = tokens * value_dims;
  const size_t complete = ratio ? tokens / ratio : 0, entries = complete > 1 ? complete - 1 : complete;
  float *query = numbers(keys), *key = numbers(keys), *value = numbers(values), *out = numbers(values);
  float *dout = numbers(values), *room = scratch(cg_attention_scratch(tokens + entries)), sink = 0.25f, dsink[2];
  float *entry = numbers(entries * key_dims), *means = numbers(tokens);
  float *made[2][4];
  for (int reference = 0; reference < 2; reference++) {
    float **own = made[reference];
    own[0] = numbers(keys), own[1] = numbers(keys), own[2] = numbers(values), own[3] = numbers(entries * key_dims);
    const cg_attention call = {.tokens = tokens,
                               .key_dims = key_dims,
                               .value_dims = value_dims,
                               .window = window,
                               .scale = 0.3f,
                               .sink = window ? &sink : NULL,
                               .query = {query, key_dims},
                               .key = {key, key_dims},
                               .value = {latent ? key : value, latent ? key_dims : value_dims},
                               .out = {out, value_dims},
                               .dout = {dout, value_dims},
                               .dquery = {own[0], key_dims},
                               .dkey = {own[1], key_dims},
                               .dvalue = {latent ? own[1] : own[2], latent ? key_dims : value_dims},
                               .dsink = window ? dsink + reference : NULL,
                               .entries = entries,
                               .ratio = ratio,
                               .entry = {entry, key_dims},
                               .dentry = {own[3], key_dims},
                               .means = {latent ? means : NULL, 1}};
    cg_attend(reference ? CK_ISA_REFERENCE : isa, &call, room);
  }
  for (int i = 0; i < (latent ? 2 : 3); i++)
    hold(made[0][i], made[1][i], i < 2 ? keys : values, "attention", isa, tokens, (size_t)i);
  hold(made[0][3], made[1][3], entries * key_dims, "entries", isa, tokens, ratio);
  if (window) hold(dsink, dsink + 1, 1, "a sink", isa, tokens, window);
  for (int i = 0; i < 8; i++) free(made[i / 4][i % 4]);
  free(query), free(key), free(value), free(out), free(dout), free(room), free(entry), free(means);
}

static void attentions(ck_isa isa) {
  static const size_t lengths[] = {1, 2, 31, 33, 63, 64, 65, 130};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    attention(isa, lengths[i], 24, 17, 0, false, 0);
    attention(isa, lengths[i], 17, 16, 0, true, 0);
    attention(isa, lengths[i], 5, 9, 1, false, 0);
    attention(isa, lengths[i], 16, 33, 40, false, 0);
    attention(isa, lengths[i], 16, 16, 9, true, 4);
    attention(isa, lengths[i], 19, 7, 0, false, 1);
    attention(isa, lengths[i], 33, 33, 50, true, 30);
  }
}

// Two value heads of one key head.
static void delta(ck_isa isa, size_t tokens, size_t keys, size_t values) {
  float *const query = numbers(tokens * keys), *const key = numbers(tokens * keys);
  float *const value = numbers(tokens * values), *const dout = numbers(tokens * values);
  float *const gates = numbers(tokens * 2), *const room = scratch(cg_delta_scratch(tokens, keys));
  for (size_t i = 0; i < tokens * 2; i++) gates[i] = fabsf(gates[i]) / 2;
  for (size_t i = 0; i < tokens * keys; i++) key[i] /= (float)keys;
  float *made[2][4];
  for (int reference = 0; reference < 2; reference++) {
    float **const m = made[reference];
    for (int i = 0; i < 4; i++) m[i] = numbers(tokens * (i < 2 ? keys : i < 3 ? values : 2));
    cg_delta call = {.tokens = tokens,
                     .key_dims = keys,
                     .value_dims = values,
                     .query = {query, keys},
                     .key = {key, keys},
                     .value = {value, values},
                     .dout = {dout, values},
                     .decay = {gates, 2},
                     .beta = {gates + 1, 2},
                     .dquery = {m[0], keys},
                     .dkey = {m[1], keys},
                     .dvalue = {m[2], values},
                     .ddecay = {m[3], 2},
                     .dbeta = {m[3] + 1, 2}};
    for (int head = 0; head < 2; head++) {
      call.add = head > 0;
      cg_delta_rule(reference ? CK_ISA_REFERENCE : isa, &call, room);
    }
  }
  for (int i = 0; i < 4; i++)
    hold(made[0][i], made[1][i], tokens * (i < 2 ? keys : i < 3 ? values : 2), "a delta rule", isa, tokens, (size_t)i);
  for (int i = 0; i < 8; i++) free(made[i / 4][i % 4]);
  free(query), free(key), free(value), free(dout), free(gates), free(room);
}

static void deltas(ck_isa isa) {
  static const size_t lengths[] = {1, 2, 31, 32, 33, 65};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    delta(isa, lengths[i], 1, 1);
    delta(isa, lengths[i], 6, 5);
    delta(isa, lengths[i], 16, 16);
    delta(isa, lengths[i], 19, 37);
  }
}

int main(void) {
  for (ck_isa isa = CK_ISA_REFERENCE; isa < CK_ISA_COUNT; isa++) {
    if (!ck_isa_supported(isa)) continue;
    printf("gradients, %s\n", ck_isa_name(isa));
    products(isa), attentions(isa), deltas(isa);
    for (size_t n = 1; n <= 100; n++) rows(isa, n);
    rows(isa, 519);
  }
  if (failures) printf("%d differences\n", failures);
  return failures > 0;
}
