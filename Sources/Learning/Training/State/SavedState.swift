import Checkpoints
import JSON
import MoEModel

/// A state that was saved: opened and held against the model, its numbers read by whoever needs which, on any number of
/// ranks.
package final class SavedState: Sendable {
  package let record: StateRecord
  /// `DIR/state-NNNNNN`.
  package let path: String
  private let files: [SafetensorsFile]
  private let places: [ExactString: (file: Int, entry: TensorEntry)]
  private let names: ParameterNames
  private let sums: RecordedSums

  /// Opens the state of a step in a training's folder. Throws `StateError` for another model's, another optimiser's, or
  /// a damaged one, before any numbers are read; `config`: the model's settings.
  package init(folder: String, step: Int, description: DecoderDescription, config: JSONValue, plan: SavePlan) throws {
    path = TrainingFolder.statePath(of: step, in: folder)
    let recordPath = "\(path)/\(StateRecord.fileName)"
    record = try StateRecord(path: recordPath)
    guard record.step == step else {
      throw StateError.damagedRecord(path: recordPath, reason: "it tells of step \(record.step)")
    }
    try Self.compare(record.config, with: config, path: recordPath)
    guard record.optimizer == plan.optimizer else {
      throw StateError.otherOptimizer(
        path: recordPath, saved: record.optimizer.rawValue, asked: plan.optimizer.rawValue)
    }
    let documents = CheckpointFormat.documents(of: path)
    let sumsPath = "\(path)/\(RecordedSums.fileName)"
    guard let bytes = try documents.document(RecordedSums.fileName, limit: CheckpointLimits().indexByteCount),
      SHA256.digest(bytes) == record.sumsDigest, let sums = try RecordedSums(of: documents)
    else { throw StateError.damagedRecord(path: sumsPath, reason: "its digest is not the one that was recorded") }
    self.sums = sums
    var files: [SafetensorsFile] = []
    var places: [ExactString: (file: Int, entry: TensorEntry)] = [:]
    for shard in record.shards {
      let file = try SafetensorsFile(path: "\(path)/\(shard)")
      for entry in file.entries { places[ExactString(entry.name)] = (files.count, entry) }
      files.append(file)
    }
    (self.files, self.places, names) = (files, places, ParameterNames(description))
    try check(plan)
  }

  /// Every tensor of the plan is there in its shape, and no other.
  private func check(_ plan: SavePlan) throws {
    for tensor in plan.state {
      guard let place = places[ExactString(tensor.name)] else {
        throw StateError.missingTensor(path: path, name: tensor.name)
      }
      guard place.entry.shape == tensor.shape, place.entry.type == tensor.type else {
        throw StateError.otherShape(path: path, name: tensor.name, saved: place.entry.shape, asked: tensor.shape)
      }
    }
    guard places.count > plan.state.count else { return }
    let known = Set(plan.state.map { ExactString($0.name) })
    if let other = places.keys.map(\.string).sorted().first(where: { !known.contains(ExactString($0)) }) {
      throw StateError.strangeTensor(path: path, name: other)
    }
  }

  /// Fills `buffer` with elements of a part of a parameter from `first` on; safe from any thread.
  package func read(
    _ part: StatePart, of id: ParameterID, from first: Int, into buffer: UnsafeMutableBufferPointer<Float>
  ) throws {
    let name = "\(names.name(of: id)).\(part.rawValue)"
    guard let place = places[ExactString(name)] else { throw StateError.missingTensor(path: path, name: name) }
    try files[place.file].read(
      place.entry, bytes: (first * 4)..<((first + buffer.count) * 4), into: UnsafeMutableRawBufferPointer(buffer))
  }

  /// Reads tensors whole and holds them against the sums that were recorded when they were written: of `count`
  /// processes, process `number` reads its share. Throws for a byte that has changed.
  package func verify(share number: Int = 0, of count: Int = 1) throws {
    var piece = [UInt8](repeating: 0, count: 4 << 20)
    for (position, file) in files.enumerated() {
      for (i, entry) in file.entries.enumerated() where (position + i) % count == number {
        var sum = TensorSum()
        for first in stride(from: 0, to: entry.byteCount, by: piece.count) {
          let end = min(first + piece.count, entry.byteCount)
          try piece.withUnsafeMutableBytes { bytes in
            let part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<(end - first)])
            try file.read(entry, bytes: first..<end, into: part)
            sum += TensorSum(UnsafeRawBufferPointer(part), at: first)
          }
        }
        guard sums[entry.name] == sum.value else {
          throw StateError.damagedRecord(
            path: file.path,
            reason: "the bytes of tensor \(entry.name.debugDescription) are not those that were written")
        }
      }
    }
  }

  /// Settings that say nothing of what is computed.
  private static let harmless = Set([
    "torch_dtype", "dtype", "transformers_version", "_name_or_path", "use_cache", "quantization_config",
  ]).union(CompositeModel.moduleCountKeys)

  private static func compare(_ saved: JSONValue, with asked: JSONValue, path: String) throws(StateError) {
    let keys = Set((saved.object?.keys ?? []) + (asked.object?.keys ?? [])).subtracting(harmless)
    for key in keys.sorted() where saved[key] != asked[key] {
      throw .otherModel(
        path: path, key: key, saved: saved[key]?.text() ?? "missing", asked: asked[key]?.text() ?? "missing")
    }
  }
}
