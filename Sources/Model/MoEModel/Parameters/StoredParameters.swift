import Checkpoints
import Kernels
import Tensors

/// Finds a model's parameters in its checkpoint, holds each against its shape, and says how it is to be held.
package struct StoredParameters {
  package let table: ParameterTable
  let checkpoint: any Checkpoint
  private let description: DecoderDescription
  private let names: PublishedNames
  private let expertCount: Int
  let quantization: Quantization
  private let float8Block: Quantization.Block?
  let precision: WeightPrecision
  /// What all routed experts take rows as.
  private let expertRows: RowFormat
  private let workerCount: Int
  /// Whether some matrices are stored in blocks.
  let hasBlocks: Bool

  package init(_ description: DecoderDescription, checkpoint: any Checkpoint, workerCount: Int) {
    table = ParameterTable(description)
    self.checkpoint = checkpoint
    self.description = description
    names = description.names
    expertCount = description.moe?.expertCount ?? 0
    quantization = description.quantization
    float8Block = description.float8Block
    precision = description.weights
    expertRows = description.expertRowFormat
    self.workerCount = workerCount
    hasBlocks = checkpoint.entries.contains { $0.type.isBlocked }
  }

  /// Calls `body` with each parameter that a rank holds and where it was found, in the table's order; throws on the
  /// first one that is missing or has the wrong shape. What has another's memory is passed over. `owns`: whether the
  /// rank owns an expert of a layer; every rank holds what is no routed expert.
  func walk(
    owns: (_ layer: Int, _ expert: Int) -> Bool = { _, _ in true },
    _ body: (ParameterSpec, StoredParameter) throws -> Void
  ) throws {
    for spec in table where table.holder(of: spec.id) == spec.id {
      if let layer = spec.layer, let expert = spec.expert, !owns(layer, expert) { continue }
      try body(spec, try find(spec))
    }
  }

  /// The published name of the tensor that holds the parameter.
  func tensor(of spec: ParameterSpec) -> String { names.place(of: spec, expertCount: expertCount).name }

  /// Where one parameter is.
  func find(_ spec: ParameterSpec) throws -> StoredParameter {
    let place = names.place(of: spec, expertCount: expertCount)
    guard spec.isMatrix else { return .vector(try vector(spec, place, description.ownRows(of: spec))) }
    if let heads = spec.heads, let split = SplitHeads(of: place.name, heads, in: checkpoint) {
      return .matrices(try splitSources(spec, heads, split))
    }
    if let tiled = try tiledOutput(spec, place) { return tiled }
    let found = try stored(spec, place)
    if let groups = spec.groups {
      let count = spec.rows / groups
      return .matrices(
        (0..<groups).map { group in
          source(
            spec, rows: count, columns: spec.columns, found.stored, found.layout.from(row: group * count),
            bounds: bounds(place, rows: count, turn: group))
        })
    }
    guard let heads = spec.heads else {
      return .matrices(
        description.ownRuns(of: spec).map { rows in
          source(
            spec, rows: rows.count, columns: spec.columns, found.stored, found.layout.from(row: rows.lowerBound),
            bounds: bounds(place, rows: rows.count))
        })
    }
    return .matrices(try headSources(spec, place, heads, found.stored))
  }

  private func source(
    _ spec: ParameterSpec, rows: Int, columns: Int, _ stored: MatrixSource.Stored, _ layout: MatrixSource.Layout,
    bounds: [Int]
  ) -> MatrixSource {
    var isExpert = false
    if case .feedForward(.expert, _) = spec.role { isExpert = true }
    return MatrixSource(
      rows: rows, columns: columns, stored: stored, layout: layout, use: spec.use, precision: precision,
      besideBlocks: hasBlocks, meeting: isExpert ? expertRows : nil, bounds: bounds)
  }

  /// The key half of each head, transposed, and then the value half of each: the absorbed form of latent attention.
  private func headSources(
    _ spec: ParameterSpec, _ place: TensorPlace, _ heads: LatentHeads, _ stored: MatrixSource.Stored
  ) throws -> [MatrixSource] {
    guard stored.scales?.mayBeTurned ?? true else {
      throw ModelError.wrongType(
        tensor: place.name, found: stored.entry.type.rawValue, expected: "F32, F16, BF16 or F8_E4M3")
    }
    let headRows = heads.keyRows + heads.valueRows
    let own = description.ownHeads(of: spec, count: heads.count)
    let keys = own.map { head in
      source(
        spec, rows: spec.columns, columns: heads.keyRows, stored,
        .columns(first: head * headRows * spec.columns, columnStride: spec.columns, rowStride: 1),
        bounds: bounds(ofHead: head, own, rows: spec.columns))
    }
    let values = own.map { head in
      source(
        spec, rows: heads.valueRows, columns: spec.columns, stored,
        .rows(first: head * headRows + heads.keyRows, step: 1),
        bounds: bounds(ofHead: head, own, rows: heads.valueRows))
    }
    return keys + values
  }

  /// The same of tensors that hold both halves apart, as they are used.
  private func splitSources(_ spec: ParameterSpec, _ heads: LatentHeads, _ split: SplitHeads) throws -> [MatrixSource] {
    let own = description.ownHeads(of: spec, count: heads.count)
    func part(_ name: String, rows: Int, columns: Int) throws -> [MatrixSource] {
      var place = TensorPlace(name: name, rows: rows)
      if checkpoint.tensor(name)?.shape.count == 2 {
        place.rows = heads.count * rows
      } else {
        place.count = heads.count
      }
      var part = spec
      part.shape = [rows, columns]
      let stored = try storedRows(part, place)
      return own.map { head in
        source(
          spec, rows: rows, columns: columns, stored, .rows(first: head * rows, step: 1),
          bounds: bounds(ofHead: head, own, rows: rows))
      }
    }
    return try part(split.keys, rows: spec.columns, columns: heads.keyRows)
      + part(split.values, rows: heads.valueRows, columns: spec.columns)
  }

  /// The output of gated DeltaNet where its columns lie in tiles, in blocks that run across heads.
  private func tiledOutput(_ spec: ParameterSpec, _ place: TensorPlace) throws -> StoredParameter? {
    guard spec.role == .delta(.output), let layer = spec.layer,
      case .delta(let delta) = description.layers[min(layer, description.layers.count - 1)].attention,
      let tiles = ColumnTiles(delta, of: place.name, in: checkpoint)
    else { return nil }
    var tiled = place
    tiled.name = tiles.name
    var stored = try storedRows(spec, tiled)
    stored.columnTiles = tiles
    stored.plain = (place.name, place.leading)
    let rows = description.ownRows(of: spec)
    return .matrices([
      source(
        spec, rows: rows.count, columns: spec.columns, stored, .rows(first: rows.lowerBound, step: 1),
        bounds: bounds(place, rows: rows.count))
    ])
  }

  /// All panels of a head of this rank's `own` with the worker that attends with it.
  private func bounds(ofHead head: Int, _ own: Range<Int>, rows: Int) -> [Int] {
    let worker = HeadSharing.worker(ofHead: head - own.lowerBound, headCount: own.count, workerCount: workerCount)
    return PackedMatrix.bounds(rows: rows, allOn: worker, workerCount: workerCount)
  }

  /// A matrix's panels by worker; which workers have the odd ones differs from matrix to matrix.
  private func bounds(_ place: TensorPlace, rows: Int, turn: Int = 0) -> [Int] {
    let turn = place.name.utf8.reduce(turn + place.index + (place.isTurned ? 0 : place.first)) { $0 + Int($1) }
    return PackedMatrix.evenBounds(rows: rows, workerCount: workerCount, turn: turn)
  }

  private func vector(_ spec: ParameterSpec, _ place: TensorPlace, _ rows: Range<Int>) throws -> VectorSource {
    VectorSource(
      entry: try entry(place.name, shape: place.shape(of: spec)),
      first: place.index * place.rows + place.first + rows.lowerBound * place.step,
      step: place.step, count: rows.count, offset: spec.offset, mayBeMinusInfinity: spec.role == .sinks,
      holdsIntegers: spec.role == .tokenExperts)
  }
}

/// Where a parameter was found: for a matrix the parts it is held in, one unless it is cut up by heads, or a rank's
/// rows of it lie apart.
enum StoredParameter {
  case matrices([MatrixSource])
  case vector(VectorSource)
}

/// Where a small vector (norm weight, bias) lies in a checkpoint.
package struct VectorSource: Sendable {
  package let entry: TensorEntry
  package let first: Int
  package let step: Int
  package let count: Int
  /// Added to what is stored.
  package let offset: Float
  /// Minus infinity is a value like others: a logit that takes nothing.
  package let mayBeMinusInfinity: Bool
  /// Whether they are numbers of experts.
  package let holdsIntegers: Bool

  /// All elements of its tensor; integers too large for fp32 rounded.
  func values(in checkpoint: any Checkpoint, sums: ReadSums?) throws -> [Float] {
    if holdsIntegers, entry.type == .int64 || entry.type == .int32 {
      return try checkpoint.integers(entry, sums: sums).map { Float($0) }
    }
    if entry.type.isBlocked, let format = WeightFormat(entry.type) {
      return try expanded(format, in: checkpoint, sums: sums)
    }
    return try checkpoint.float32s(entry, finite: !mayBeMinusInfinity, sums: sums)
  }

  /// All elements of a tensor in GGUF's blocks: quantisers take what has rows for a matrix.
  private func expanded(_ format: WeightFormat, in checkpoint: any Checkpoint, sums: ReadSums?) throws -> [Float] {
    let (columns, stored) = (max(entry.shape.last ?? 1, 1), try checkpoint.readAll(entry))
    let rowBytes = format.storedRowByteCount(columns)
    var values = [Float](repeating: 0, count: entry.elementCount)
    stored.withUnsafeBytes { bytes in
      sums?.noteWhole(entry) { TensorSum(bytes, at: 0) }
      values.withUnsafeMutableBufferPointer { values in
        guard let start = bytes.baseAddress, let target = values.baseAddress else { return }
        for row in 0..<min(values.count / columns, bytes.count / max(rowBytes, 1)) {
          PanelWriter.expand(format, start + row * rowBytes, count: columns, into: target + row * columns)
        }
      }
    }
    if !mayBeMinusInfinity, let element = values.firstIndex(where: { !$0.isFinite }) {
      throw ModelError.invalidBlockScale(tensor: entry.name, row: element / columns)
    }
    return values
  }

  /// Element `index` of the vector, of its tensor's elements.
  func value(_ index: Int, of all: [Float]) -> Float {
    let stored = all[first + index * step]
    return offset == 0 ? stored : offset + stored
  }
}

extension StoredParameters {
  func entry(_ name: String, shape: [Int], type: ElementType? = nil) throws -> TensorEntry {
    guard let entry = checkpoint.tensor(name) else { throw ModelError.missingTensor(name) }
    guard entry.shape == shape else { throw ModelError.wrongShape(tensor: name, found: entry.shape, expected: shape) }
    if let type, entry.type != type {
      throw ModelError.wrongType(tensor: name, found: entry.type.rawValue, expected: type.rawValue)
    }
    return entry
  }

  /// The tensor a matrix is in, with its format and scales, and the matrix's place there.
  private func stored(
    _ spec: ParameterSpec, _ place: TensorPlace
  ) throws -> (stored: MatrixSource.Stored, layout: MatrixSource.Layout) {
    let inRows = MatrixSource.Layout.rows(first: place.index * place.rows + place.first, step: place.step)
    guard place.isTurned else { return (try storedRows(spec, place), inRows) }
    if quantization == .mxfp4Experts, checkpoint.tensor("\(place.name)_blocks") != nil {
      return (try storedMXFP4(spec, place), inRows)
    }
    if case .martinet = quantization, let entry = checkpoint.tensor(place.name), WeightFormat(levels: entry.type) != nil
    {
      return (try storedRows(spec, place), inRows)
    }
    let entry = try entry(place.name, shape: place.shape(of: spec))
    guard let format = WeightFormat(entry.type) else {
      throw ModelError.wrongType(tensor: place.name, found: entry.type.rawValue, expected: "F32, F16 or BF16")
    }
    return (
      MatrixSource.Stored(entry: entry, format: format),
      .columns(
        first: place.index * spec.columns * place.rows + place.first, columnStride: place.rows, rowStride: place.step)
    )
  }

  /// gpt-oss has `{name}_blocks` `[experts, rows, columns / 32, 16]` with `{name}_scales`
  /// `[experts, rows, columns / 32]`.
  private func storedMXFP4(_ spec: ParameterSpec, _ place: TensorPlace) throws -> MatrixSource.Stored {
    guard spec.columns % 32 == 0 else {
      throw ModelError.inconsistent("MXFP4 needs rows of a multiple of 32 columns; \(place.name) has \(spec.columns)")
    }
    let blocks = place.leading + [spec.columns / 32]
    return MatrixSource.Stored(
      entry: try entry("\(place.name)_blocks", shape: blocks + [16], type: .uint8), format: .mxfp4,
      scales: ExponentScales(entry: try entry("\(place.name)_scales", shape: blocks, type: .uint8)),
      plain: (place.name, place.leading))
  }

  /// A tensor of matrix rows.
  private func storedRows(_ spec: ParameterSpec, _ place: TensorPlace) throws -> MatrixSource.Stored {
    let (name, columns) = (place.name, spec.columns)
    if let packed = try storedPacked(name, leading: place.leading, columns: columns) { return packed }
    guard let found = checkpoint.tensor(name) else { throw ModelError.missingTensor(name) }
    if case .martinet = quantization, let format = WeightFormat(levels: found.type) {
      guard spec.use != .choice, precision.formats(spec.use, stored: format).weights == format else {
        throw ModelError.wrongType(
          tensor: name, found: found.type.rawValue,
          expected: spec.use == .choice ? "F32, F16 or BF16" : "the other of I8 and U8")
      }
      return MatrixSource.Stored(
        entry: try entry(name, shape: place.leading + [format.storedRowByteCount(columns)]), format: format,
        scales: LevelScales(
          blocks: try entry(
            "\(name)_block_scales", shape: place.leading + [format.blockCount(columns: columns)], type: .uint8),
          rows: try entry("\(name)_row_scales", shape: place.leading, type: .float32)))
    }
    let entry = try entry(name, shape: place.leading + [columns])
    if let format = WeightFormat(entry.type) { return MatrixSource.Stored(entry: entry, format: format) }
    guard entry.type == .float8E4M3 else {
      throw ModelError.wrongType(tensor: name, found: entry.type.rawValue, expected: "F32, F16, BF16 or F8_E4M3")
    }
    let grid = try ScaleGrid.find(of: name, rows: place.leading, columns: columns, block: float8Block, in: checkpoint)
    return MatrixSource.Stored(entry: entry, format: .float8, scales: grid)
  }
}
