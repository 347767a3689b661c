// Entropy and divergences of rows of logits: probabilities from the kernels, some at a time; what they weight, and its
// sums, are plain C in double precision.
#include "kernels.h"
#pragma STDC FP_CONTRACT OFF

/// Elements at a time: a multiple of the lanes.
#define CHUNK 256
#define LANES 16

/// What a row's probabilities are made with.
typedef struct {
  float greatest, sum;
  double log_sum;
} normalizer;

static normalizer normalizer_of(ck_isa isa, const float *x, size_t n) {
  const float greatest = ck_max(isa, x, n), sum = ck_sum_exp(isa, x, n, greatest);
  return (normalizer){greatest, sum, (double)greatest + cg_log((double)sum)};
}

/// Of `count` logits of a row.
static void probabilities(ck_isa isa, const float *x, size_t count, normalizer of, float *p) {
  memcpy(p, x, count * sizeof(float));
  cg_kernels_of[isa]->scaled_exp(p, count, of.greatest, 1 / of.sum);
}

static double log_probability(float x, normalizer of) {
  const double value = (double)x - of.log_sum;
  return value < CG_LEAST_LOG_PROBABILITY ? CG_LEAST_LOG_PROBABILITY : value;
}

/// p * value, and 0 of what cannot come, whatever its value.
static double weighted(float p, double value) { return p == 0 ? 0 : (double)p * value; }

static double halved(double lanes[LANES]) {
  for (int width = LANES / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

/// lanes[i % LANES] += terms[i]
static void add_up(double lanes[LANES], const double *terms, size_t count) {
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    for (int lane = 0; lane < LANES; ++lane) lanes[lane] += terms[i + lane];
  }
  for (int lane = 0; i + lane < count; ++lane) lanes[lane] += terms[i + lane];
}

static size_t chunk_at(size_t from, size_t n) { return n - from < CHUNK ? n - from : CHUNK; }

static double entropy_of(ck_isa isa, const float *logits, size_t n, normalizer of) {
  float p[CHUNK];
  double lanes[LANES] = {0}, terms[CHUNK];
  for (size_t from = 0; from < n; from += CHUNK) {
    const size_t count = chunk_at(from, n);
    const float *const x = logits + from;
    probabilities(isa, x, count, of, p);
    for (size_t i = 0; i < count; ++i) terms[i] = weighted(p[i], of.log_sum - (double)x[i]);
    add_up(lanes, terms, count);
  }
  return halved(lanes);
}

double cg_entropy(ck_isa isa, const float *logits, size_t n) {
  return entropy_of(isa, logits, n, normalizer_of(isa, logits, n));
}

/// The student's row, the teacher's, and what their probabilities are made with.
typedef struct {
  ck_isa isa;
  float *student, *teacher;
  size_t n;
  normalizer of_student, of_teacher;
} row_pair;

/// beta 0: the student's row becomes the gradient.
static double forward(row_pair rows, float scale) {
  float p[CHUNK], q[CHUNK];
  double lanes[LANES] = {0}, terms[CHUNK];
  for (size_t from = 0; from < rows.n; from += CHUNK) {
    const size_t count = chunk_at(from, rows.n);
    float *const z = rows.student + from;
    const float *const t = rows.teacher + from;
    probabilities(rows.isa, z, count, rows.of_student, p);
    probabilities(rows.isa, t, count, rows.of_teacher, q);
    for (size_t i = 0; i < count; ++i) {
      const double a = log_probability(z[i], rows.of_student), b = log_probability(t[i], rows.of_teacher);
      terms[i] = weighted(q[i], b - a);
      z[i] = (p[i] - q[i]) * scale;
    }
    add_up(lanes, terms, count);
  }
  return halved(lanes);
}

/// beta 1: the student's row becomes g, the teacher's p.
static double reverse(row_pair rows) {
  float p[CHUNK];
  double lanes[LANES] = {0}, terms[CHUNK];
  for (size_t from = 0; from < rows.n; from += CHUNK) {
    const size_t count = chunk_at(from, rows.n);
    float *const z = rows.student + from, *const t = rows.teacher + from;
    probabilities(rows.isa, z, count, rows.of_student, p);
    for (size_t i = 0; i < count; ++i) {
      const double g = log_probability(z[i], rows.of_student) - log_probability(t[i], rows.of_teacher);
      terms[i] = weighted(p[i], g);
      z[i] = p[i] == 0 ? 0 : (float)g;
    }
    memcpy(t, p, count * sizeof(float));
    add_up(lanes, terms, count);
  }
  return halved(lanes);
}

/// log x within 2^-35 of a positive normal number, NaN of NaN: logarithm.c's series to s^11, without branches, so that
/// compilers make vectors of it. Of 0 it is some number.
static double short_log(double x) {
  int64_t bits;
  memcpy(&bits, &x, sizeof bits);
  // The bits of sqrt(1/2), rounded up, taken away: m lies in [sqrt(1/2), sqrt(2)).
  const int64_t exponent = (bits - 0x3fe6a09e667f3bcd) >> 52;
  bits -= exponent * (1LL << 52);
  double m;
  memcpy(&m, &bits, sizeof m);
  const double s = (m - 1) / (m + 1), square = s * s;
  double series = 1.0 / 11;
  series = 1.0 / 9 + square * series;
  series = 1.0 / 7 + square * series;
  series = 1.0 / 5 + square * series;
  series = 1.0 / 3 + square * series;
  const double ln_2 = 0x1.62e42fefa39efp-1;
  return (double)(int32_t)exponent * ln_2 + 2 * (s + s * (square * series)) + (x - x);
}

/// Between: the student's row becomes g, the teacher's p; *mean that of g.
static double jensen_shannon(row_pair rows, double beta, double *mean) {
  const double rest = 1 - beta;
  float p[CHUNK], q[CHUNK];
  double means[LANES] = {0}, lanes[LANES] = {0}, terms[CHUNK], others[CHUNK];
  for (size_t from = 0; from < rows.n; from += CHUNK) {
    const size_t count = chunk_at(from, rows.n);
    float *const z = rows.student + from, *const t = rows.teacher + from;
    probabilities(rows.isa, z, count, rows.of_student, p);
    probabilities(rows.isa, t, count, rows.of_teacher, q);
    for (size_t i = 0; i < count; ++i) {
      const double log_mixture = short_log(beta * (double)q[i] + rest * (double)p[i]);
      const double g = rest * (log_probability(z[i], rows.of_student) - log_mixture);
      terms[i] = weighted(p[i], g);
      others[i] = weighted(q[i], log_probability(t[i], rows.of_teacher) - log_mixture);
      z[i] = p[i] == 0 ? 0 : (float)g;
    }
    memcpy(t, p, count * sizeof(float));
    add_up(means, terms, count);
    add_up(lanes, others, count);
  }
  *mean = halved(means);
  return beta * halved(lanes) + *mean;
}

cg_divergence_row cg_divergence(ck_isa isa, float *logits, float *teacher, size_t n, size_t target, float factor,
                                cg_divergence_kind kind) {
  row_pair rows = {.isa = isa, .student = logits, .teacher = teacher, .n = n};
  rows.of_student = normalizer_of(isa, logits, n);
  cg_divergence_row row;
  row.known.greatest = rows.of_student.greatest;
  row.known.sum = rows.of_student.sum;
  row.known.target = logits[target < n ? target : 0];
  row.entropy = entropy_of(isa, logits, n, rows.of_student);
  if (kind.temperature != 1) {
    ck_scale(isa, logits, 1 / kind.temperature, logits, n);
    ck_scale(isa, teacher, 1 / kind.temperature, teacher, n);
    rows.of_student = normalizer_of(isa, logits, n);
  }
  rows.of_teacher = normalizer_of(isa, teacher, n);
  const float scale = factor / kind.temperature;
  if (kind.beta == 0) {
    row.divergence = forward(rows, scale);
    return row;
  }
  double mean;
  if (kind.beta == 1) {
    mean = row.divergence = reverse(rows);
  } else {
    row.divergence = jensen_shannon(rows, kind.beta, &mean);
  }
  cg_kernels_of[isa]->score_gradients(teacher, logits, n, (float)mean, scale);
  return row;
}
