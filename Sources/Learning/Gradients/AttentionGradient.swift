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
  /// As the forward pass left it, `[tokens, valueDims]`; not read where there are `means`.
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
  /// What each token attends beside positions.
  package var entries: Entries?
  /// Of each token the product of `output` and `outputGradient`, `[tokens, 1]`, where both are known in another form
  /// only; nil where it is made of them.
  package var means: MatrixView<Float>?

  /// Keys that stand for several tokens each, and are values in their first columns: token t attends the first
  /// (t + 1) / ratio of them.
  package struct Entries {
    /// `[entries, keyDims]`
    package var keys: MatrixView<Float>
    /// This head's part, written, `[entries, keyDims]`: the sum of both gradients.
    package var gradient: MatrixView<Float>
    package var ratio: Int

    /// `keys` and `gradient` are `[entries, keyDims]`; `ratio` is at least 1.
    package init(keys: MatrixView<Float>, gradient: MatrixView<Float>, ratio: Int) {
      precondition(
        keys.rowCount == gradient.rowCount && keys.columns == gradient.columns && ratio > 0,
        "entries that do not fit each other")
      (self.keys, self.gradient, self.ratio) = (keys, gradient, ratio)
    }
  }

  /// Shapes as the properties say: `[tokens, keyDims]` and `[tokens, valueDims]`, a sink's logit and gradient `[1]`,
  /// entries' `[entries, keyDims]`, means' `[tokens, 1]`.
  package init(
    query: MatrixView<Float>, key: MatrixView<Float>, value: MatrixView<Float>, output: MatrixView<Float>,
    outputGradient: MatrixView<Float>, queryGradient: MatrixView<Float>, keyGradient: MatrixView<Float>,
    valueGradient: MatrixView<Float>, scale: Float, window: Int? = nil,
    sink: (logit: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>)? = nil, entries: Entries? = nil,
    means: MatrixView<Float>? = nil
  ) {
    let tokens = query.rowCount
    precondition(
      [key, value, output, outputGradient, queryGradient, keyGradient, valueGradient].allSatisfy {
        $0.rowCount == tokens
      }
        && key.columns == query.columns && queryGradient.columns == query.columns
        && keyGradient.columns == query.columns && output.columns == value.columns
        && outputGradient.columns == value.columns && valueGradient.columns == value.columns && (window ?? 1) > 0
        && (entries?.keys.columns ?? key.columns) == key.columns && (entries == nil || value.columns <= key.columns)
        && (means?.rowCount ?? tokens) == tokens && (means?.columns ?? 1) == 1,
      "shapes of an attention that do not fit each other")
    (self.query, self.key, self.value) = (query, key, value)
    (self.output, self.outputGradient) = (output, outputGradient)
    (self.queryGradient, self.keyGradient, self.valueGradient) = (queryGradient, keyGradient, valueGradient)
    (self.scale, self.window, self.sink) = (scale, window, sink)
    (self.entries, self.means) = (entries, means)
  }
}

extension GradientCompute {
  /// Computes one head's gradients by `worker` alone: workers share heads and sequences. Needs `reserve(tokens:)` of
  /// tokens and entries together.
  package func attend(_ gradient: AttentionGradient, worker: Int) {
    let entries = gradient.entries
    let count = entries?.keys.rowCount ?? 0
    precondition(
      cg_attention_scratch(gradient.query.rowCount + count) <= scratchCount, "more tokens than were reserved")
    var call = cg_attention(
      tokens: gradient.query.rowCount, key_dims: gradient.query.columns, value_dims: gradient.value.columns,
      window: gradient.window ?? 0, scale: gradient.scale, sink: gradient.sink?.logit, query: rows(gradient.query),
      key: rows(gradient.key), value: rows(gradient.value), out: rows(gradient.output),
      dout: rows(gradient.outputGradient), dquery: mutableRows(gradient.queryGradient),
      dkey: mutableRows(gradient.keyGradient), dvalue: mutableRows(gradient.valueGradient),
      dsink: gradient.sink?.gradient, entries: count, ratio: entries?.ratio ?? 0,
      entry: entries.map { rows($0.keys) } ?? cg_rows(),
      dentry: entries.map { mutableRows($0.gradient) } ?? cg_mutable_rows(),
      means: gradient.means.map { rows($0) } ?? cg_rows())
    cg_attend(compute.isa, &call, scratch(worker))
  }

  private func rows(_ view: MatrixView<Float>) -> cg_rows { cg_rows(start: view.start, stride: view.stride) }
  private func mutableRows(_ view: MatrixView<Float>) -> cg_mutable_rows {
    cg_mutable_rows(start: view.start, stride: view.stride)
  }
}
