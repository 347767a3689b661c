import Checkpoints
import JSON
import Kernels
import Tensors

/// What a quantised folder holds of a checkpoint: each tensor the model makes use of, in the order of its parameters.
package struct QuantizationPlan {
  /// What becomes of one tensor.
  package struct Output: Sendable {
    enum Content: Sendable {
      /// Its bytes.
      case copy(TensorEntry)
      /// Its values in F32.
      case float32(TensorEntry)
      /// The values of a matrix in F32.
      case expanded(MatrixSource)
      /// Levels and scales of matrices of equal size, one after another.
      case levels([MatrixSource])
    }
    let name: String
    let content: Content
    package let declarations: [SafetensorsWriter.Declaration]

    var byteCount: Int { declarations.reduce(0) { $0 + $1.shape.reduce($1.type.byteCount, *) } }
  }

  private let checkpoint: any Checkpoint
  private let widensOthers: Bool
  let float8Block: Quantization.Block?
  package private(set) var outputs: [Output] = []
  private var seen: Set<ExactString> = []
  /// Bytes of the checkpoint to be read.
  package private(set) var readByteCount = 0
  /// Tensors of the checkpoint that the model makes no use of, such as those of multi-token prediction.
  package var unusedCount: Int { checkpoint.entries.reduce(0) { $0 + (seen.contains(ExactString($1.name)) ? 0 : 1) } }
  package var byteCount: Int { outputs.reduce(0) { $0 + $1.byteCount } }

  /// `widensOthers`: routers, norms and biases become F32. Throws when the checkpoint is quantised already, or on the
  /// first tensor that is missing or has the wrong shape.
  package init(
    _ description: DecoderDescription, checkpoint: any Checkpoint, to precision: WeightPrecision, widensOthers: Bool
  ) throws {
    if case .martinet(let own) = description.quantization { throw ModelError.alreadyQuantized(own, asked: precision) }
    self.checkpoint = checkpoint
    self.widensOthers = widensOthers
    float8Block = description.float8Block
    let parameters = StoredParameters(try description.holding(precision), checkpoint: checkpoint, workerCount: 1)
    try parameters.walk { spec, found in
      switch found {
      case .matrices(let sources):
        add(sources[0], use: spec.use)
        // Keys and values of heads may lie in two tensors.
        if let last = sources.last, last.entry.name != sources[0].entry.name { add(last, use: spec.use) }
      case .vector(let source): copy(source.entry, widened: widensOthers)
      }
    }
  }

  /// The tensor that a matrix is, or is part of.
  private mutating func add(_ source: MatrixSource, use: WeightPrecision.Use) {
    guard use == .choice || use == .latentUp else { return quantize(source) }
    if source.packed != nil { return expand(source) }
    copy(source.entry, widened: widensOthers && use == .choice)
    for scales in source.storedScales { copy(scales.entry, widened: false) }
  }

  private mutating func isNew(_ entry: TensorEntry) -> Bool {
    guard seen.insert(ExactString(entry.name)).inserted else { return false }
    readByteCount += entry.byteCount
    return true
  }

  private mutating func copy(_ entry: TensorEntry, widened: Bool) {
    guard isNew(entry) else { return }
    // There is no name for blocks in safetensors.
    let widens = (widened || entry.type.isBlocked) && WeightFormat(entry.type) != nil
    outputs.append(
      Output(
        name: entry.name, content: widens ? .float32(entry) : .copy(entry),
        declarations: [.init(entry.name, widens ? .float32 : entry.type, entry.shape)]))
  }

  /// All of a tensor of packed integers, whose form has no name here.
  private mutating func expand(_ source: MatrixSource) {
    guard isNew(source.entry), let plain = source.plain else { return }
    for scales in source.storedScales { _ = isNew(scales.entry) }
    let rows = plain.leading.reduce(1, *)
    let columns = source.packed?.columns ?? source.columns
    outputs.append(
      Output(
        name: plain.name,
        content: .expanded(source.all(rows: rows, columns: columns, layout: .rows(first: 0, step: 1))),
        declarations: [.init(plain.name, .float32, plain.leading + [columns])]))
  }

  /// All of the tensor that a matrix is, or is part of.
  private mutating func quantize(_ source: MatrixSource) {
    guard isNew(source.entry) else { return }
    for scales in source.storedScales { _ = isNew(scales.entry) }
    let shape = source.entry.shape
    let name = source.plain?.name ?? source.entry.name
    let leading: [Int]
    let parts: [MatrixSource]
    switch source.layout {
    case .rows:
      leading = source.plain?.leading ?? Array(shape.dropLast())
      parts = [source.all(rows: leading.reduce(1, *), layout: .rows(first: 0, step: 1))]
    case .columns:
      // Experts stored as [experts, columns, rows].
      leading = [shape[0], shape[2]]
      parts = (0..<shape[0]).map {
        source.all(
          rows: shape[2], layout: .columns(first: $0 * shape[1] * shape[2], columnStride: shape[2], rowStride: 1))
      }
    }
    guard let type = source.format.levelType else { preconditionFailure("\(source.format) has no levels") }
    outputs.append(
      Output(
        name: name, content: .levels(parts),
        declarations: [
          .init(name, type, leading + [source.format.storedRowByteCount(source.columns)]),
          .init("\(name)_block_scales", .uint8, leading + [source.format.blockCount(columns: source.columns)]),
          .init("\(name)_row_scales", .float32, leading),
        ]))
  }
}

extension MatrixSource {
  /// `rows` rows of the same tensor, for the same use, in another layout.
  fileprivate func all(rows: Int, columns: Int? = nil, layout: Layout) -> MatrixSource {
    MatrixSource(
      rows: rows, columns: columns ?? self.columns,
      stored: Stored(
        entry: entry, format: storedFormat, scales: scales, packed: packed, plain: plain, columnTiles: columnTiles),
      layout: layout,
      use: use, format: format, rowFormat: rowFormat, bounds: [0, PackedMatrix.panelCount(rows: rows)])
  }
}
