import Checkpoints
import Glibc
import JSON
import Machine
import MoEModel
import Synchronization

/// Writes a checkpoint of random weights in the layout models are published in.
package struct CheckpointMaker {
  let shape: CheckpointShape
  let weights: CheckpointWeights
  let seed: UInt64
  let folder: String

  package init(shape: CheckpointShape, weights: CheckpointWeights, seed: UInt64, folder: String) {
    (self.shape, self.weights, self.seed, self.folder) = (shape, weights, seed, folder)
  }

  /// A shard is closed by the tensor that reaches this.
  private static let shardBytes = 1 << 30

  private struct Shard {
    var name = ""
    var first: Int
    var tensors: [CheckpointPlan.Tensor] = []
    var byteCount = 0
  }

  /// Writes shards on all workers at once, and `config.json` last: a folder without it was not finished.
  ///
  /// Returns parameters and bytes. What was written is removed when something fails.
  package func make(pool: WorkerPool) throws -> (parameterCount: Int, byteCount: Int) {
    let tokenizer = try SyntheticTokenizer(vocabularySize: shape.description.vocabularySize)
    let plan = try CheckpointPlan(shape.description, type: weights.type)
    let isNew = try prepareFolder(byteCount: plan.byteCount)
    let shards = Self.shards(plan.tensors)
    do {
      try write(try write(shards, pool).json, as: RecordedSums.fileName)
      try write(Self.index(shards, byteCount: plan.byteCount), as: "model.safetensors.index.json")
      try write(tokenizer.tokenizer, as: "tokenizer.json")
      try write(tokenizer.config, as: "tokenizer_config.json")
      try write(
        [
          "_from_model_config": true, "bos_token_id": .int(SyntheticTokenizer.beginID),
          "eos_token_id": .int(SyntheticTokenizer.endID),
        ], as: "generation_config.json")
      try write(shape.config, as: "config.json")
    } catch {
      let others = [
        RecordedSums.fileName, "model.safetensors.index.json", "tokenizer.json", "tokenizer_config.json",
        "generation_config.json", "config.json",
      ]
      for name in shards.map(\.name) + others { unlink("\(folder)/\(name)") }
      if isNew { rmdir(folder) }
      throw error
    }
    return (plan.parameterCount, plan.byteCount)
  }

  /// Creates the folder, or accepts an empty one; true where it is new.
  private func prepareFolder(byteCount: Int) throws -> Bool {
    let isNew = mkdir(folder, 0o777) == 0
    if !isNew {
      guard errno == EEXIST else { throw failure("create") }
      guard OutputFolder.files(in: folder)?.isEmpty == true else { throw MakeCheckpointError.outputExists(folder) }
    }
    var space = statvfs()
    if statvfs(folder, &space) == 0 {
      let (available, overflows) = Int(space.f_bavail).multipliedReportingOverflow(by: Int(space.f_frsize))
      if !overflows, available < byteCount {
        if isNew { rmdir(folder) }
        throw MakeCheckpointError.noSpace(folder: folder, needed: byteCount, available: available)
      }
    }
    return isNew
  }

  private func failure(_ operation: String) -> MakeCheckpointError {
    .system(operation: operation, path: folder, reason: String(cString: strerror(errno)))
  }

  private static func shards(_ tensors: [CheckpointPlan.Tensor]) -> [Shard] {
    var shards: [Shard] = []
    for (number, tensor) in tensors.enumerated() {
      if shards.isEmpty || shards[shards.count - 1].byteCount >= shardBytes { shards.append(Shard(first: number)) }
      shards[shards.count - 1].tensors.append(tensor)
      shards[shards.count - 1].byteCount += tensor.entry.byteCount
    }
    for i in shards.indices { shards[i].name = ShardName.text(i, of: shards.count) }
    return shards
  }

  /// Worker w writes shards w, w + n, …; the first failure in their order is thrown. Returns the sums of what was
  /// written.
  private func write(_ shards: [Shard], _ pool: WorkerPool) throws -> RecordedSums {
    let sums = Mutex(RecordedSums())
    let random = RandomWeights(seed: seed, shape.description)
    let failures = Failures(count: pool.workerCount)
    pool.run { worker in
      do {
        for shard in stride(from: worker, to: shards.count, by: pool.workerCount) {
          guard !failures.any else { return }
          let writer = try write(shards[shard], random)
          sums.withLock { writer.record(into: &$0) }
        }
      } catch { failures.set(error, worker: worker) }
    }
    if let error = failures.first { throw error }
    return sums.withLock { $0 }
  }

  private func write(_ shard: Shard, _ random: RandomWeights) throws -> SafetensorsWriter {
    let writer = try SafetensorsWriter(
      path: "\(folder)/\(shard.name)",
      tensors: shard.tensors.map { .init($0.entry.name, $0.entry.type, $0.entry.shape) },
      metadata: [("format", "pt")])
    for (offset, tensor) in shard.tensors.enumerated() {
      try random.fill(tensor, number: shard.first + offset) { try writer.append(tensor.entry.name, $0) }
    }
    try writer.finish()
    return writer
  }

  private static func index(_ shards: [Shard], byteCount: Int) -> JSONValue {
    let map = shards.flatMap { shard in shard.tensors.map { ($0.entry.name, JSONValue.string(shard.name)) } }
    return ["metadata": ["total_size": .int(byteCount)], "weight_map": .object(JSONObject(map))]
  }

  private func write(_ value: JSONValue, as name: String) throws {
    let path = "\(folder)/\(name)"
    guard let file = fopen(path, "wxe") else {
      throw MakeCheckpointError.system(operation: "create", path: path, reason: String(cString: strerror(errno)))
    }
    var text = value.text(pretty: true) + "\n"
    let written = text.withUTF8 { fwrite($0.baseAddress, 1, $0.count, file) == $0.count }
    guard fclose(file) == 0, written else {
      throw MakeCheckpointError.system(operation: "write", path: path, reason: String(cString: strerror(errno)))
    }
  }
}
