import CGradients
import Kernels
import MoEModel
import Tensors

/// Vectors in rows: vector v of row t at `start + t * rowStride + v * vectorStride`, in floats.
package struct VectorRows {
  fileprivate let vectors: cg_vectors

  /// `[rows, vectors, count]` of some count, from `start` on; `rowStride` and `vectorStride` count floats.
  package init(_ start: UnsafePointer<Float>, rowStride: Int, vectorStride: Int) {
    vectors = cg_vectors(start: start, row_stride: rowStride, vector_stride: vectorStride)
  }
}

/// Gradients of row-wise and element-wise operations; definitions, with the order of every reduction, in
/// `row_gradients.h`. "Gradient" is the loss's gradient by the operation's output where it is an input, and by one of
/// the operation's inputs where it is written.
extension Compute {
  /// Σ a[i] · b[i], each `[count]`, a lane sum: of a row's gradient and an expert's output it is the gradient of the
  /// expert's weight.
  package func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Float {
    cg_dot(isa, a, b, count)
  }

  /// Of `rmsNorm` by x, with its `weight` `[count]` and `epsilon`: x, `gradient` and out `[rows, count]`, `stride`,
  /// `gradientStride` and `outStride` floats from row to row; out may be `gradient`. scales `[rows]` become the factors
  /// 1 / rms of the rows.
  package func rmsNormGradient(
    _ x: UnsafePointer<Float>, stride: Int, gradient: UnsafePointer<Float>, gradientStride: Int, rows: Int, count: Int,
    weight: UnsafePointer<Float>, epsilon: Float, out: UnsafeMutablePointer<Float>, outStride: Int,
    scales: UnsafeMutablePointer<Float>
  ) {
    cg_rms_norm(isa, x, stride, gradient, gradientStride, rows, count, weight, epsilon, out, outStride, scales)
  }

  /// Of `rmsNorm` by its weight, into out `[count]`: x and `gradient` are `[rows, vectors, count]`, scales
  /// `[rows, vectors]` as `rmsNormGradient` wrote them. Workers may share it by elements of the weight.
  package func rmsNormWeightGradient(
    _ x: VectorRows, gradient: VectorRows, rows: Int, vectors: Int = 1, count: Int, scales: UnsafePointer<Float>,
    out: UnsafeMutablePointer<Float>, adding: Bool = false
  ) {
    cg_rms_norm_weight(isa, x.vectors, gradient.vectors, rows, vectors, count, scales, out, adding)
  }

  /// out[i] = Σ a[t, i] · b[t, i] over rows t, or that is added: `[rows, count]` each, `ones` being as many 1s as there
  /// are rows; in the order of `rmsNormWeightGradient`. What a convolution consists of, and its gradients.
  package func sumOfProducts(
    _ a: VectorRows, _ b: VectorRows, rows: Int, count: Int, ones: UnsafePointer<Float>,
    out: UnsafeMutablePointer<Float>, adding: Bool = false
  ) {
    cg_rms_norm_weight(isa, a.vectors, b.vectors, rows, 1, count, ones, out, adding)
  }

  /// out[i] = sigmoid(x[i]), each `[count]`; out may be x.
  package func sigmoids(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int) {
    cg_sigmoid(isa, x, count, out)
  }

  /// Of a feed-forward layer's activation by gate and up, each `[count]`: gateGradient may be gate, upGradient up, and
  /// either the output's `gradient`.
  package func activationGradient(
    _ activation: Activation, gate: UnsafePointer<Float>, up: UnsafePointer<Float>, gradient: UnsafePointer<Float>,
    gateGradient: UnsafeMutablePointer<Float>, upGradient: UnsafeMutablePointer<Float>, count: Int
  ) {
    switch activation {
    case .swiGLU: cg_silu_multiply(isa, gate, up, gradient, gateGradient, upGradient, count)
    case .clampedSwiGLU(let alpha, let limit):
      cg_clamped_swiglu(isa, gate, up, gradient, gateGradient, upGradient, count, alpha, limit)
    case .limitedSwiGLU(let limit):
      cg_limited_swiglu(isa, gate, up, gradient, gateGradient, upGradient, count, limit)
    }
  }

  /// Of `pool` and `pooled` by one of their terms, `value`, `gate` and `bias`, each `[count]`: `sums` `[3 · count]` as
  /// they are after the last term, `mean` what `pooled` makes of them, `gradient` that by the mean. `valueGradient`
  /// `[count]` := that by the value, `gateGradient` `[count]` := that by the gate and by its bias.
  package func poolGradient(
    _ value: UnsafePointer<Float>, gate: UnsafePointer<Float>, bias: UnsafePointer<Float>, count: Int,
    sums: UnsafePointer<Float>, mean: UnsafePointer<Float>, gradient: UnsafePointer<Float>,
    valueGradient: UnsafeMutablePointer<Float>, gateGradient: UnsafeMutablePointer<Float>
  ) {
    cg_pool(isa, value, gate, bias, count, sums, mean, gradient, valueGradient, gateGradient)
  }

  /// Of `clip`: zeroes the `gradient` `[count]` where x, as it was before it was clipped, lies outside of ± limit.
  package func clipGradient(
    _ x: UnsafePointer<Float>, limit: Float, gradient: UnsafeMutablePointer<Float>, count: Int
  ) {
    cg_clip(isa, x, limit, gradient, count)
  }

  /// Of `rotate`, in place: turns `gradient`, `heads` vectors of `dims` elements, `headStride` floats apart, back by
  /// one position's `cosine` and `sine`, each `[dims / 2]`.
  package func rotateGradient(
    _ gradient: UnsafeMutablePointer<Float>, heads: Int, headStride: Int, dims: Int, cosine: UnsafePointer<Float>,
    sine: UnsafePointer<Float>, interleaved: Bool
  ) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: Swift.max(dims / 2, 1)) { back in
      for i in 0..<dims / 2 { back[i] = -sine[i] }
      rotate(
        gradient, heads: heads, headStride: headStride, dims: dims, cosine: cosine,
        sine: back.start, interleaved: interleaved)
    }
  }
}
