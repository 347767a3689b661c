import CKernels

/// Row-wise and element-wise operations; definitions, with the order of every reduction, in `elementwise.h`.
extension Compute {
  /// out[i, :] = x[i, :] / rms(x[i, :]) * weight
  package func rmsNorm(
    _ x: UnsafePointer<Float>, stride: Int, rows: Int, count: Int, weight: UnsafePointer<Float>, epsilon: Float,
    out: UnsafeMutablePointer<Float>, outStride: Int
  ) {
    ck_rms_norm(isa, x, stride, rows, count, weight, epsilon, out, outStride)
  }

  /// Rotates `heads` vectors of `dims` elements by one position's cosines and sines `[dims / 2]`.
  package func rotate(
    _ x: UnsafeMutablePointer<Float>, heads: Int, headStride: Int, dims: Int, cosine: UnsafePointer<Float>,
    sine: UnsafePointer<Float>, interleaved: Bool
  ) {
    ck_rope(isa, x, heads, headStride, dims, cosine, sine, interleaved)
  }

  package func siluMultiply(
    gate: UnsafePointer<Float>, up: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, count: Int
  ) {
    ck_silu_multiply(isa, gate, up, out, count)
  }

  package func clampedSwiGLU(
    gate: UnsafePointer<Float>, up: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, count: Int, alpha: Float,
    limit: Float
  ) {
    ck_clamped_swiglu(isa, gate, up, out, count, alpha, limit)
  }

  package func add(_ x: UnsafePointer<Float>, to out: UnsafeMutablePointer<Float>, count: Int) {
    ck_add(isa, out, x, count)
  }

  /// out = a + b
  package func sum(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int
  ) {
    ck_sum(isa, a, b, out, count)
  }

  package func scale(_ x: UnsafePointer<Float>, by factor: Float, into out: UnsafeMutablePointer<Float>, count: Int) {
    ck_scale(isa, x, factor, out, count)
  }

  /// out += x * factor, the product rounded before it is added.
  package func addScaled(_ x: UnsafePointer<Float>, by factor: Float, to out: UnsafeMutablePointer<Float>, count: Int) {
    ck_add_scaled(isa, out, x, factor, count)
  }

  package func clip(_ x: UnsafeMutablePointer<Float>, limit: Float, count: Int) { ck_clip(isa, x, limit, count) }

  package func max(_ x: UnsafePointer<Float>, count: Int) -> Float { ck_max(isa, x, count) }

  /// Σ e^(x[i] − shift)
  package func sumExp(_ x: UnsafePointer<Float>, count: Int, shift: Float) -> Float { ck_sum_exp(isa, x, count, shift) }
}

/// e^x, the same bits on every machine.
package func exponential(_ x: Float) -> Float { ck_exp(x) }
/// 1 / (1 + e^-x), the same bits on every machine.
package func sigmoid(_ x: Float) -> Float { ck_sigmoid(x) }
