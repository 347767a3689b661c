import JSON
import Tensors

// Gated DeltaNet's tensors.
extension GGUFEntries {
  /// Where a tensor under its published name lies, and in which order; `unit`: the bytes of a row of one head.
  mutating func add(
    _ whole: TensorEntry, _ name: String, _ part: DeltaTensors.Part, _ form: DeltaTensors, _ file: GGUFFile
  ) throws(CheckpointError) {
    guard let sizes else {
      throw .gguf(
        path: file.path, byte: nil,
        .shape(tensor: whole.name, found: whole.shape, expected: "heads that the settings tell, at most 2^20 of a kind")
      )
    }
    func wrong(_ expected: String) -> CheckpointError {
      .gguf(path: file.path, byte: nil, .shape(tensor: whole.name, found: whole.shape, expected: expected))
    }
    let rows = whole.shape.first ?? 0
    /// The bytes of a row, where each row has its own.
    func rowByteCount(_ expected: Int, _ what: String) throws(CheckpointError) -> Int {
      guard rows == expected, whole.byteCount > 0, whole.byteCount % rows == 0 else {
        throw wrong("\(expected) rows, \(what)")
      }
      return whole.byteCount / rows
    }
    switch part {
    case .bothRates where joinsGates: try append(whole.part(name), file)
    case .bothRates:
      let row = try rowByteCount(2 * sizes.valueHeads, "two for each value head")
      let run = sizes.each * row
      for (half, end) in ["in_proj_b.weight", "in_proj_a.weight"].enumerated() {
        let own = name.replacingEnd("in_proj_ba.weight", by: end)
        orders[ExactString(own)] = .everySecond(unitByteCount: run, unitCount: sizes.keyHeads)
        let shape = [sizes.valueHeads] + whole.shape.dropFirst()
        try append(whole.part(own, shape: shape, at: half * run, whole.byteCount / 2), file)
      }
    case .convolution:
      let row = try rowByteCount(sizes.keyRows + sizes.valueRows, "one for each channel")
      let taps = whole.shape.dropFirst().reduce(1, *)
      try append(whole.part(name, shape: [rows, 1, taps]), file)
      order(name, form, sizes, unit: sizes.valueDims * row, prefix: sizes.keyRows * row)
    case .input:
      let row = try rowByteCount(sizes.keyRows + sizes.valueRows, "those of queries, keys and values")
      try append(whole.part(name), file)
      order(name, form, sizes, unit: sizes.valueDims * row, prefix: sizes.keyRows * row)
    case .gate:
      let row = try rowByteCount(sizes.valueRows, "those of all value heads")
      try append(whole.part(name), file)
      order(name, form, sizes, unit: sizes.valueDims * row)
    case .rates:
      let row = try rowByteCount(sizes.valueHeads, "one for each value head")
      try append(whole.part(name), file)
      order(name, form, sizes, unit: row)
    case .output:
      guard whole.shape.count == 2, whole.shape[1] == sizes.valueRows else {
        throw wrong("\(sizes.valueRows) columns, those of all value heads")
      }
      guard form.isTiled, sizes.each > 1, sizes.keyHeads > 1 else { return try append(whole.part(name), file) }
      let block = whole.type.block
      guard sizes.valueDims % block.length == 0 else {
        // Heads have no bytes of their own: whoever expands the rows puts their columns in order.
        return try append(whole.part(name.replacingEnd("out_proj.weight", by: "out_proj_tiled.weight")), file)
      }
      try append(whole.part(name), file)
      order(name, form, sizes, unit: sizes.valueDims / block.length * block.byteCount)
    }
  }

  private mutating func order(
    _ name: String, _ form: DeltaTensors, _ sizes: DeltaTensors.Sizes, unit: Int, prefix: Int = 0
  ) {
    guard form.isTiled, sizes.each > 1, sizes.keyHeads > 1 else { return }
    orders[ExactString(name)] = .tiled(
      keyHeads: sizes.keyHeads, each: sizes.each, unitByteCount: unit, prefixByteCount: prefix)
  }
}

extension String {
  fileprivate func replacingEnd(_ end: String, by other: String) -> String {
    DottedName(self).before(end).map { "\($0).\(other)" } ?? self
  }
}
