// Of rows of logits: the entropy, and how far a student's distribution lies from a teacher's, with its gradient.
//
// A "double lane sum" is elementwise.h's lane sum with its summands and lanes in double precision. Of a row x of n
// logits: greatest = ck_max, sum = ck_sum_exp, p[j] = ck_exp(x[j] - greatest) * (1 / sum), all in fp32, as where tokens
// are sampled; L = greatest + cg_log(sum) in double precision. What is weighted by a p[j] of 0 is +0.
#ifndef C_GRADIENTS_DIVERGENCE_H
#define C_GRADIENTS_DIVERGENCE_H
#include <CKernels.h>

#include "row_gradients.h"

/// The entropy of softmax(logits) in nats, L - sum of p * x: the double lane sum of p[j] * (L - x[j]). NaN where a
/// logit is NaN or infinite, but for -inf beside finite ones.
double cg_entropy(ck_isa isa, const float *logits, size_t n);

/// Log-probabilities below this count as this: less has no number in fp32.
#define CG_LEAST_LOG_PROBABILITY (-104.0)

/// By what a student's distribution p is compared with a teacher's q. beta 0 is the forward KL(q || p), beta 1 the
/// reverse KL(p || q); between them lies the generalised Jensen-Shannon divergence of "On-Policy Distillation of
/// Language Models" (arXiv 2306.13649), beta * KL(q || m) + (1 - beta) * KL(p || m) with m = beta * q + (1 - beta) * p.
/// It tends to 0 at both ends; the KLs are there by definition, as in TRL.
typedef struct {
  double beta;
  /// Of both: logits are multiplied by 1 / temperature first, if it is not 1. The gradient is by the logits as they
  /// were, so it has that factor too; nothing makes up for it by temperature^2.
  float temperature;
} cg_divergence_kind;

/// What is known of the student's row as it was, at temperature 1, and the divergence of what it became at another.
typedef struct {
  cg_logits known;
  double entropy, divergence;
} cg_divergence_row;

/// Turns a student's row of n logits into the gradient of factor * divergence. `known` is cg_cross_entropy's with the
/// target's logit, or the first one's where `target` is not below n; entropy is cg_entropy's. teacher[0..n) is scratch
/// afterwards, and does not overlap `logits`.
///
/// With a[j] = max(z[j] - L, CG_LEAST_LOG_PROBABILITY) of the student's logits z, b[j] of the teacher's likewise, in
/// double precision, scale = factor / temperature in fp32, q[j] made as p[j] is, and short_log of divergence.c:
///   beta 1: g[j] = a[j] - b[j]; divergence = mean = double lane sum of p[j] * g[j];
///   between: l[j] = short_log(beta * q[j] + (1 - beta) * p[j]), g[j] = (1 - beta) * (a[j] - l[j]), mean = double lane
///     sum of p[j] * g[j]; divergence = beta * the double lane sum of q[j] * (b[j] - l[j]) + mean;
///   of both: logits[j] = (p[j] * (g[j] - mean)) * scale, of g and mean rounded to fp32, g[j] = +0 where p[j] is 0;
///   beta 0: divergence = double lane sum of q[j] * (b[j] - a[j]), logits[j] = (p[j] - q[j]) * scale.
/// So the reverse KL stays finite where the teacher cannot choose a token (-inf) that the student may: its log q counts
/// as -104, and the gradient is exact for such a teacher. Of the forward KL only the value is bounded. Where rows are
/// nearly equal, the divergence may lie a little below 0. A NaN or infinity in either row makes the divergence and all
/// of the gradient NaN, but for -inf beside finite logits.
cg_divergence_row cg_divergence(ck_isa isa, float *logits, float *teacher, size_t n, size_t target, float factor,
                                cg_divergence_kind kind);
#endif
