import CKernels

/// Row-wise and element-wise operations; definitions, with the order of every reduction, in `elementwise.h`.
extension Compute {
  /// out[i, :] = x[i, :] / rms(x[i, :]) * weight: `[rows, count]`, `stride` and `outStride` floats from row to row;
  /// weight `[count]`; rms(v) = √(Σ v² / count + epsilon).
  package func rmsNorm(
    _ x: UnsafePointer<Float>, stride: Int, rows: Int, count: Int, weight: UnsafePointer<Float>, epsilon: Float,
    out: UnsafeMutablePointer<Float>, outStride: Int
  ) {
    ck_rms_norm(isa, x, stride, rows, count, weight, epsilon, out, outStride)
  }

  /// Rotates x: `heads` vectors of `dims` elements, `headStride` floats apart, by one position's `cosine` and `sine`,
  /// each `[dims / 2]`. Element i turns with its neighbour where they are `interleaved`, else with i + dims / 2.
  package func rotate(
    _ x: UnsafeMutablePointer<Float>, heads: Int, headStride: Int, dims: Int, cosine: UnsafePointer<Float>,
    sine: UnsafePointer<Float>, interleaved: Bool
  ) {
    ck_rope(isa, x, heads, headStride, dims, cosine, sine, interleaved)
  }

  /// out = gate * sigmoid(gate) * up, each `[count]`; out may be gate or up.
  package func siluMultiply(
    gate: UnsafePointer<Float>, up: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, count: Int
  ) {
    ck_silu_multiply(isa, gate, up, out, count)
  }

  /// out = x * sigmoid(gate), each `[count]`; out may be gate or x.
  package func sigmoidMultiply(
    gate: UnsafePointer<Float>, _ x: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, count: Int
  ) {
    ck_sigmoid_multiply(isa, gate, x, out, count)
  }

  /// gpt-oss's: out = (u + 1) * g * sigmoid(alpha * g), each `[count]`, of gate and up clamped to `limit`; out may be
  /// either.
  package func clampedSwiGLU(
    gate: UnsafePointer<Float>, up: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, count: Int, alpha: Float,
    limit: Float
  ) {
    ck_clamped_swiglu(isa, gate, up, out, count, alpha, limit)
  }

  /// out = g * sigmoid(g) * u, each `[count]`, of gate cut off above `limit` and up clamped to it; out may be either.
  package func limitedSwiGLU(
    gate: UnsafePointer<Float>, up: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, count: Int, limit: Float
  ) {
    ck_limited_swiglu(isa, gate, up, out, count, limit)
  }

  /// One more term of means by the softmax of gates: `value`, `gate` and `bias`, which is added to the gate, are
  /// `[count]`; `sums` is `[3, count]`, which the `first` term begins anew.
  package func pool(
    _ value: UnsafePointer<Float>, gate: UnsafePointer<Float>, bias: UnsafePointer<Float>, count: Int, first: Bool,
    sums: UnsafeMutablePointer<Float>
  ) {
    ck_pool(isa, value, gate, bias, count, first, sums)
  }

  /// The means that `sums` `[3, count]` came to, into out `[count]`.
  package func pooled(_ sums: UnsafePointer<Float>, count: Int, into out: UnsafeMutablePointer<Float>) {
    ck_pooled(isa, sums, count, out)
  }

  /// out += x, each `[count]`.
  package func add(_ x: UnsafePointer<Float>, to out: UnsafeMutablePointer<Float>, count: Int) {
    ck_add(isa, out, x, count)
  }

  /// out = a + b, each `[count]`; out may be a or b.
  package func sum(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int
  ) {
    ck_sum(isa, a, b, out, count)
  }

  /// out = x * factor, each `[count]`; out may be x.
  package func scale(_ x: UnsafePointer<Float>, by factor: Float, into out: UnsafeMutablePointer<Float>, count: Int) {
    ck_scale(isa, x, factor, out, count)
  }

  /// out += x * factor, each `[count]`, the product rounded before it is added.
  package func addScaled(_ x: UnsafePointer<Float>, by factor: Float, to out: UnsafeMutablePointer<Float>, count: Int) {
    ck_add_scaled(isa, out, x, factor, count)
  }

  /// Brings x `[count]` to within ± limit; NaN stays.
  package func clip(_ x: UnsafeMutablePointer<Float>, limit: Float, count: Int) { ck_clip(isa, x, limit, count) }

  /// The largest of x `[count]`; -∞ where there is none, NaN where one is.
  package func max(_ x: UnsafePointer<Float>, count: Int) -> Float { ck_max(isa, x, count) }

  /// Σ e^(x[i] − shift) over x `[count]`.
  package func sumExp(_ x: UnsafePointer<Float>, count: Int, shift: Float) -> Float { ck_sum_exp(isa, x, count, shift) }

  /// out = e^x, each `[count]`, as `exponential` has it; out may be x.
  package func exponentials(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int) {
    ck_exponentials(isa, x, out, count)
  }
}

/// e^x, the same bits on every machine.
package func exponential(_ x: Float) -> Float { ck_exp(x) }
/// 1 / (1 + e^-x), the same bits on every machine.
package func sigmoid(_ x: Float) -> Float { ck_sigmoid(x) }
