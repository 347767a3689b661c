import CKernels

/// A run of one sequence's tokens as one head of gated DeltaNet sees them; strides count floats, from token to token.
package struct DeltaTokens {
  fileprivate var tokens: ck_delta_tokens

  /// `query` and `key` `[tokens, keyDims]`, `keyStride` apart; `value` `[tokens, valueDims]`, `valueStride` apart;
  /// `out` likewise, `outStride` apart; `decay` and `beta` `[tokens]`, `gateStride` apart.
  package init(
    query: UnsafePointer<Float>, key: UnsafePointer<Float>, keyStride: Int, value: UnsafePointer<Float>,
    valueStride: Int, decay: UnsafePointer<Float>, beta: UnsafePointer<Float>, gateStride: Int,
    out: UnsafeMutablePointer<Float>, outStride: Int
  ) {
    tokens = ck_delta_tokens(
      query: query, key: key, value: value, decay: decay, beta: beta, out: out, key_stride: keyStride,
      value_stride: valueStride, gate_stride: gateStride, out_stride: outStride)
  }
}

/// The kernels of gated DeltaNet; definitions, with the order of every reduction, in `delta.h`.
extension Compute {
  /// Columns of one panel of a head's state.
  package static var deltaPanel: Int { Int(CK_DELTA_PANEL) }

  /// Panels of a head's state with `valueDims` columns, the last one filled up.
  package static func deltaPanels(valueDims: Int) -> Int { (valueDims + deltaPanel - 1) / deltaPanel }

  /// Floats of a head's state, `[panels, keyDims, 16]`, whose panels hold `valueDims` columns.
  package static func deltaStateCount(keyDims: Int, valueDims: Int) -> Int {
    deltaPanels(valueDims: valueDims) * keyDims * deltaPanel
  }

  /// out[c] = silu(Σ_j rows[j][c] · weights[j · weightStride + c]), each `[channels]`: a causal convolution for one
  /// token, whose own row is the last.
  package func causalConvolution(
    _ rows: UnsafeBufferPointer<UnsafePointer<Float>?>, weights: UnsafePointer<Float>, weightStride: Int,
    channels: Int, out: UnsafeMutablePointer<Float>
  ) {
    ck_causal_convolution(isa, rows.baseAddress, rows.count, weights, weightStride, channels, out)
  }

  /// out[i, :] = x[i, :] / √(Σ x² + epsilon) · factor: `[rows, count]`, `stride` and `outStride` floats from row to
  /// row; out may be x.
  package func l2Norm(
    _ x: UnsafePointer<Float>, stride: Int, rows: Int, count: Int, epsilon: Float, factor: Float,
    out: UnsafeMutablePointer<Float>, outStride: Int
  ) {
    ck_l2_norm(isa, x, stride, rows, count, epsilon, factor, out, outStride)
  }

  /// out[i, :] = x[i, :] / rms(x[i, :]) · weight · silu(gate[i, :]): `[rows, count]`, `stride`, `gateStride` and
  /// `outStride` floats from row to row; weight `[count]`; rms(v) = √(Σ v² / count + epsilon); out may be x.
  package func gatedRMSNorm(
    _ x: UnsafePointer<Float>, stride: Int, gate: UnsafePointer<Float>, gateStride: Int, rows: Int, count: Int,
    weight: UnsafePointer<Float>, epsilon: Float, out: UnsafeMutablePointer<Float>, outStride: Int
  ) {
    ck_gated_rms_norm(isa, x, stride, gate, gateStride, rows, count, weight, epsilon, out, outStride)
  }

  /// The gated delta rule over `count` tokens, for some `panels` of a head's `state` `[panels, keyDims, 16]`, which
  /// hold `valueDims` columns.
  package func deltaRule(
    state: UnsafeMutablePointer<Float>, keyDims: Int, valueDims: Int, panels: Range<Int>, _ tokens: DeltaTokens,
    count: Int
  ) {
    withUnsafePointer(to: tokens.tokens) {
      ck_delta_rule(isa, state, keyDims, valueDims, panels.lowerBound, panels.count, $0, count)
    }
  }
}

/// ln(1 + e^x), the same bits on every machine.
package func softplus(_ x: Float) -> Float { ck_softplus(x) }
