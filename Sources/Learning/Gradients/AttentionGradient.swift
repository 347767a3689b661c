import CGradients
import Tensors

/// The gradient of causal attention for one sequence, one of its query heads and that head's key head; definition and
/// order of every sum in `attention_gradient.h`.
package struct AttentionGradient {
  /// Queries as they met the keys, `[tokens, keyDims]`.
  package var query: MatrixView<Float>
  /// `[tokens, keyDims]`
  package var key: MatrixView<Float>
  /// `[tokens, valueDims]`; in latent attention the first columns of `key`.
  package var value: MatrixView<Float>
  /// As the forward pass left it, `[tokens, valueDims]`.
  package var output: MatrixView<Float>
  /// The loss's gradient by `output`, `[tokens, valueDims]`.
  package var outputGradient: MatrixView<Float>
  /// Written, `[tokens, keyDims]`.
  package var queryGradient: MatrixView<Float>
  /// This head's part, written, `[tokens, keyDims]`: the caller adds those of a key head's queries, ascending.
  package var keyGradient: MatrixView<Float>
  /// Likewise, `[tokens, valueDims]`. Where it is the first columns of `keyGradient`, these hold the sum of both.
  package var valueGradient: MatrixView<Float>
  /// What products of queries and keys are multiplied with.
  package var scale: Float
  /// Positions that a row attends, its own being the last; nil for all before.
  package var window: Int?
  /// The head's sink, one logit, and where its gradient is written.
  package var sink: (logit: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>)?

  /// Shapes as the properties say: `[tokens, keyDims]` and `[tokens, valueDims]`, a sink's logit and gradient `[1]`.
  package init(
    query: MatrixView<Float>, key: MatrixView<Float>, value: MatrixView<Float>, output: MatrixView<Float>,
    outputGradient: MatrixView<Float>, queryGradient: MatrixView<Float>, keyGradient: MatrixView<Float>,
    valueGradient: MatrixView<Float>, scale: Float, window: Int? = nil,
    sink: (logit: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>)? = nil
  ) {
    let tokens = query.rowCount
    precondition(
      [key, value, output, outputGradient, queryGradient, keyGradient, valueGradient].allSatisfy {
        $0.rowCount == tokens
      }
        && key.columns == query.columns && queryGradient.columns == query.columns
        && keyGradient.columns == query.columns && output.columns == value.columns
        && outputGradient.columns == value.columns && valueGradient.columns == value.columns && (window ?? 1) > 0,
      "shapes of an attention that do not fit each other")
    (self.query, self.key, self.value) = (query, key, value)
    (self.output, self.outputGradient) = (output, outputGradient)
    (self.queryGradient, self.keyGradient, self.valueGradient) = (queryGradient, keyGradient, valueGradient)
    (self.scale, self.window, self.sink) = (scale, window, sink)
  }
}

extension GradientCompute {
  /// Computes one head's gradients by `worker` alone: workers share heads and sequences. Needs `reserve(tokens:)`.
  package func attend(_ gradient: AttentionGradient, worker: Int) {
    precondition(cg_attention_scratch(gradient.query.rowCount) <= scratchCount, "more tokens than were reserved")
    var call = cg_attention(
      tokens: gradient.query.rowCount, key_dims: gradient.query.columns, value_dims: gradient.value.columns,
      window: gradient.window ?? 0, scale: gradient.scale, sink: gradient.sink?.logit, query: rows(gradient.query),
      key: rows(gradient.key), value: rows(gradient.value), out: rows(gradient.output),
      dout: rows(gradient.outputGradient), dquery: mutableRows(gradient.queryGradient),
      dkey: mutableRows(gradient.keyGradient), dvalue: mutableRows(gradient.valueGradient),
      dsink: gradient.sink?.gradient)
    cg_attend(compute.isa, &call, scratch(worker))
  }

  private func rows(_ view: MatrixView<Float>) -> cg_rows { cg_rows(start: view.start, stride: view.stride) }
  private func mutableRows(_ view: MatrixView<Float>) -> cg_mutable_rows {
    cg_mutable_rows(start: view.start, stride: view.stride)
  }
}
