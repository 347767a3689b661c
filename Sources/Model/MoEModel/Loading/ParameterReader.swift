import Checkpoints

/// Reads a checkpoint's parameters as fp32, whatever they are stored in and wherever they lie.
package struct ParameterReader {
  private let parameters: StoredParameters
  private let rows: StoredRows

  /// `description`: that of the checkpoint. Throws for one that `quantize` wrote: levels are held and multiplied as
  /// they are stored; and for one with rates of decay in place of their logarithms, which are what is learnt and
  /// published.
  package init(_ description: DecoderDescription, checkpoint: any Checkpoint) throws(ModelError) {
    if case .martinet(let weights) = description.quantization {
      throw .unsupported(
        key: "quantization_config", value: weights.rawValue, remedy: "give the model that it was quantised from")
    }
    guard !description.storesDecayRates else { throw .lacksDecayLogarithms(family: description.family) }
    parameters = StoredParameters(description, checkpoint: checkpoint, workerCount: 1)
    rows = StoredRows(checkpoint: checkpoint, sums: nil)
  }

  /// Fills `buffer` with a parameter's elements from `first` on, counted row after row. Throws for a tensor that is
  /// missing, of another shape, or that holds what is no finite number.
  package func read(_ spec: ParameterSpec, from first: Int, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    guard let target = buffer.baseAddress, !buffer.isEmpty else { return }
    if let heads = spec.heads, case .matrices(let parts) = try parameters.find(spec),
      parts[0].entry.name != parts[heads.count].entry.name
    {
      return try read(spec, heads, parts, from: first, into: buffer)
    }
    var whole = spec
    (whole.heads, whole.groups) = (nil, nil)
    switch try parameters.find(whole) {
    case .vector(let source):
      let all = try source.values(in: rows.checkpoint, sums: nil)
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

  /// The same of an up-projection whose halves lie apart: for each head the keys', turned, and the values'.
  private func read(
    _ spec: ParameterSpec, _ heads: LatentHeads, _ parts: [MatrixSource], from first: Int,
    into buffer: UnsafeMutableBufferPointer<Float>
  ) throws {
    let wanted = first..<(first + buffer.count)
    let columns = spec.columns
    let headCount = (heads.keyRows + heads.valueRows) * columns
    func put(_ value: Float, at element: Int) { if wanted.contains(element) { buffer[element - first] = value } }
    for head in (wanted.lowerBound / headCount)...((wanted.upperBound - 1) / headCount) {
      let keys = head * headCount
      let values = keys + heads.keyRows * columns
      try rows.forEach(parts[head], rows: 0..<columns) { column, row in
        for key in 0..<heads.keyRows { put(row[key], at: keys + key * columns + column) }
      }
      try rows.forEach(parts[heads.count + head], rows: 0..<heads.valueRows) { value, row in
        for column in 0..<columns { put(row[column], at: values + value * columns + column) }
      }
    }
    if let bad = buffer.firstIndex(where: { !$0.isFinite }) {
      throw ModelError.notFinite(tensor: parts[0].entry.name, row: (first + bad) / columns)
    }
  }
}
