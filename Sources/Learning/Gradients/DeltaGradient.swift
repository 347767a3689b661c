import CGradients
import Tensors

/// The gradient of the gated delta rule for one sequence, from its first token on, and one value head; definition and
/// order of every sum in `delta_gradient.h`.
package struct DeltaGradient {
  /// As they met the state, `[tokens, keyDims]`; both of one stride.
  package var query: MatrixView<Float>
  package var key: MatrixView<Float>
  /// `[tokens, valueDims]`
  package var value: MatrixView<Float>
  /// The loss's gradient by what the head recalled, `[tokens, valueDims]`.
  package var outputGradient: MatrixView<Float>
  /// What is left of the state, and the rate of corrections, `[tokens, 1]`; both of one stride.
  package var decay: MatrixView<Float>
  package var beta: MatrixView<Float>
  /// Written, or added to for a key head's second and later value heads (`adding`), `[tokens, keyDims]`.
  package var queryGradient: MatrixView<Float>
  package var keyGradient: MatrixView<Float>
  /// Written, `[tokens, valueDims]` and `[tokens, 1]`.
  package var valueGradient: MatrixView<Float>
  package var decayGradient: MatrixView<Float>
  package var betaGradient: MatrixView<Float>
  package var adding: Bool

  /// Shapes as the properties say, query's `[tokens, keyDims]` and value's `[tokens, valueDims]` being those of all.
  package init(
    query: MatrixView<Float>, key: MatrixView<Float>, value: MatrixView<Float>, outputGradient: MatrixView<Float>,
    decay: MatrixView<Float>, beta: MatrixView<Float>, queryGradient: MatrixView<Float>,
    keyGradient: MatrixView<Float>, valueGradient: MatrixView<Float>, decayGradient: MatrixView<Float>,
    betaGradient: MatrixView<Float>, adding: Bool
  ) {
    let tokens = query.rowCount
    precondition(
      [
        key, value, outputGradient, decay, beta, queryGradient, keyGradient, valueGradient, decayGradient, betaGradient,
      ].allSatisfy { $0.rowCount == tokens }
        && [key, queryGradient, keyGradient].allSatisfy { $0.columns == query.columns }
        && [outputGradient, valueGradient].allSatisfy { $0.columns == value.columns }
        && [decay, beta, decayGradient, betaGradient].allSatisfy { $0.columns == 1 }
        && key.stride == query.stride && beta.stride == decay.stride,
      "shapes of a delta rule that do not fit each other")
    (self.query, self.key, self.value, self.outputGradient) = (query, key, value, outputGradient)
    (self.decay, self.beta, self.queryGradient, self.keyGradient) = (decay, beta, queryGradient, keyGradient)
    (self.valueGradient, self.decayGradient) = (valueGradient, decayGradient)
    (self.betaGradient, self.adding) = (betaGradient, adding)
  }
}

extension GradientCompute {
  /// Computes one value head's gradients by `worker` alone: workers share key heads and sequences. Needs
  /// `reserve(tokens:keyDims:)`.
  package func recall(_ gradient: DeltaGradient, worker: Int) {
    precondition(
      cg_delta_scratch(gradient.query.rowCount, gradient.query.columns) <= scratchCount,
      "more tokens than were reserved")
    func rows(_ view: MatrixView<Float>) -> cg_rows { cg_rows(start: view.start, stride: view.stride) }
    func mutableRows(_ view: MatrixView<Float>) -> cg_mutable_rows {
      cg_mutable_rows(start: view.start, stride: view.stride)
    }
    var call = cg_delta(
      tokens: gradient.query.rowCount, key_dims: gradient.query.columns, value_dims: gradient.value.columns,
      query: rows(gradient.query), key: rows(gradient.key), value: rows(gradient.value),
      dout: rows(gradient.outputGradient), decay: rows(gradient.decay), beta: rows(gradient.beta),
      dquery: mutableRows(gradient.queryGradient), dkey: mutableRows(gradient.keyGradient),
      dvalue: mutableRows(gradient.valueGradient), ddecay: mutableRows(gradient.decayGradient),
      dbeta: mutableRows(gradient.betaGradient), add: gradient.adding)
    cg_delta_rule(compute.isa, &call, scratch(worker))
  }
}
