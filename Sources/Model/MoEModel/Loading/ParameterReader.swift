import Checkpoints

/// Reads a checkpoint's parameters as fp32, whatever they are stored in and wherever they lie.
package struct ParameterReader {
  private let parameters: StoredParameters
  private let rows: StoredRows

  /// `description`: that of the checkpoint. Throws for one that `quantize` wrote: levels are held and multiplied as they are
  /// stored.
  package init(_ description: DecoderDescription, checkpoint: any Checkpoint) throws(ModelError) {
    if case .martinet(let weights) = description.quantization {
      throw .unsupported(
        key: "quantization_config", value: weights.rawValue, remedy: "give the model that it was quantised from")
    }
    parameters = StoredParameters(description, checkpoint: checkpoint, workerCount: 1)
    rows = StoredRows(checkpoint: checkpoint, sums: nil)
  }

  /// Fills `buffer` with a parameter's elements from `first` on, counted row after row. Throws for a tensor that is missing, of
  /// another shape, or that holds what is no finite number.
  package func read(_ spec: ParameterSpec, from first: Int, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    guard let target = buffer.baseAddress, !buffer.isEmpty else { return }
    var whole = spec
    whole.heads = nil
    switch try parameters.find(whole) {
    case .vector(let source):
      let all = try rows.checkpoint.float32s(source.entry, finite: !source.mayBeMinusInfinity)
      for i in buffer.indices { target[i] = source.value(first + i, of: all) }
    case .matrices(let sources):
      let columns = spec.columns
      let end = first + buffer.count
      try rows.forEach(sources[0], rows: (first / columns)..<((end + columns - 1) / columns)) { row, values in
        let from = max(first, row * columns)
        let to = min(end, (row + 1) * columns)
        (target + (from - first)).update(from: values + (from - row * columns), count: to - from)
      }
      if let bad = buffer.firstIndex(where: { !$0.isFinite }) {
        throw ModelError.notFinite(tensor: sources[0].entry.name, row: (first + bad) / columns)
      }
    }
  }
}
