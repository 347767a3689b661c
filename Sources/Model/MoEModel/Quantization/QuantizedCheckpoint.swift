import Checkpoints
import JSON
import Machine
import Synchronization

/// Writes a checkpoint's folder anew with its matrices quantised, on all workers at once and through bounded buffers.
package struct QuantizedCheckpoint {
  /// A shard ends before the tensor that would carry it past this.
  private static let shardByteCount = 4_000_000_000
  /// fp32 values quantised at once, and bytes copied.
  private static let pieceByteCount = 8 << 20

  private let checkpoint: any Checkpoint
  private let plan: QuantizationPlan
  private let precision: WeightPrecision

  package init(_ plan: QuantizationPlan, checkpoint: any Checkpoint, precision: WeightPrecision) {
    (self.plan, self.checkpoint, self.precision) = (plan, checkpoint, precision)
  }

  /// Writes shards, sums, index and copies, and `config.json` last: a folder without it was not finished. What was
  /// written is removed when something fails.
  ///
  /// `progress` is called from this thread with the bytes read so far.
  package func write(to path: String, pool: WorkerPool, progress: (Int) -> Void) throws {
    let output = try OutputFolder(path: path, byteCount: plan.byteCount)
    do {
      let shards = Self.shards(plan.outputs)
      let names = shards.indices.map { ShardName.text($0, of: shards.count) }
      let read = ReadSums(checkpoint)
      var written = RecordedSums()
      for (shard, name) in zip(shards, names) {
        try write(shard, to: output.file(name), pool, read, &written, progress)
      }
      try RecordedSums(of: checkpoint)?.check(read.sums, in: checkpoint)
      try output.write(written.json, as: RecordedSums.fileName)
      if shards.count > 1 { try output.write(index(shards, names), as: "model.safetensors.index.json") }
      try checkpoint.copyCompanions(to: output)
      try checkpoint.checkUnchanged()
      var config = checkpoint.config.object ?? JSONObject()
      CompositeModel.replaceQuantization(
        in: &config, with: QuantizationSettings.json(precision, float8: plan.float8Block))
      try output.write(.object(config), as: "config.json")
    } catch {
      output.discard()
      throw error
    }
  }

  private static func shards(_ outputs: [QuantizationPlan.Output]) -> [ArraySlice<QuantizationPlan.Output>] {
    var shards: [ArraySlice<QuantizationPlan.Output>] = []
    var first = 0
    var size = 0
    for (position, output) in outputs.enumerated() {
      if position > first, size + output.byteCount > shardByteCount {
        shards.append(outputs[first..<position])
        (first, size) = (position, 0)
      }
      size += output.byteCount
    }
    return shards + [outputs[first...]]
  }

  private func index(_ shards: [ArraySlice<QuantizationPlan.Output>], _ names: [String]) -> JSONValue {
    let map = zip(shards, names).flatMap { shard, name in
      shard.flatMap { output in output.declarations.map { ($0.name, JSONValue.string(name)) } }
    }
    return ["metadata": ["total_size": .int(plan.byteCount)], "weight_map": .object(JSONObject(map))]
  }

  /// A part of one tensor, for one worker at a time.
  private struct Piece {
    let output: QuantizationPlan.Output
    /// Of the matrices of a quantised tensor; 0 for others.
    var part = 0
    /// Rows of the matrix, or elements or bytes of what is copied.
    let range: Range<Int>
  }

  private func write(
    _ shard: ArraySlice<QuantizationPlan.Output>, to path: String, _ pool: WorkerPool, _ read: ReadSums,
    _ written: inout RecordedSums, _ progress: (Int) -> Void
  ) throws {
    let writer = try SafetensorsWriter(
      path: path, tensors: shard.flatMap(\.declarations),
      metadata: [("format", "martinet"), ("weights", precision.rawValue)])
    let pieces = shard.flatMap(Self.pieces)
    let next = Atomic<Int>(0)
    let failures = Mutex<[(piece: Int, error: any Error)]>([])
    pool.run { worker in
      let quantizer = PieceWriter(checkpoint: checkpoint, sums: read, writer: writer)
      while true {
        let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard number < pieces.count else { return }
        do {
          let piece = pieces[number]
          try quantizer.write(piece.output, part: piece.part, piece.range)
        } catch {
          failures.withLock { $0.append((number, error)) }
          next.store(pieces.count, ordering: .relaxed)
        }
        if worker == 0 { progress(checkpoint.bytesRead) }
      }
    }
    if let first = failures.withLock({ $0.min { $0.piece < $1.piece } }) { throw first.error }
    try writer.finish()
    writer.record(into: &written)
  }

  private static func pieces(_ output: QuantizationPlan.Output) -> [Piece] {
    func cut(_ count: Int, by length: Int, part: Int = 0) -> [Piece] {
      stride(from: 0, to: count, by: length).map {
        Piece(output: output, part: part, range: $0..<min($0 + length, count))
      }
    }
    switch output.content {
    case .copy(let entry): return cut(entry.byteCount, by: pieceByteCount)
    case .float32(let entry): return cut(entry.elementCount, by: pieceByteCount / 4)
    case .expanded(let source): return cut(source.rows, by: max(1, pieceByteCount / (4 * source.columns)))
    case .levels(let parts):
      return parts.enumerated().flatMap { part, source in
        // Rows that lie in columns are found by reading all of them.
        if case .columns = source.layout { return cut(source.rows, by: source.rows, part: part) }
        return cut(source.rows, by: max(1, pieceByteCount / (4 * source.columns)), part: part)
      }
    }
  }
}
