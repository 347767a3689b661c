import Checkpoints
import JSON

/// Writes checkpoints of a training into its folder: the model rounded to bf16, and the state in fp32, from one pass
/// over the numbers.
package struct CheckpointWriter {
  private let folder: TrainingFolder
  private let plan: SavePlan
  private let companions: Companions
  private let predictionLayers: Int
  /// Called before each change of the file system with what it is: tests end a save there.
  var beforeChange: (String) throws -> Void = { _ in }
  var shardByteCount = ShardedWriter.shardByteCount

  /// `predictionLayers`: multi-token prediction modules that the plan has.
  package init(_ folder: TrainingFolder, _ plan: SavePlan, companions: Companions, predictionLayers: Int) {
    (self.folder, self.plan, self.companions) = (folder, plan, companions)
    self.predictionLayers = plan.predicts ? predictionLayers : 0
  }

  /// Writes what the training was told beside its checkpoints.
  package func writeRecipe(_ options: JSONValue) throws { try folder.writeRecipe(options) }

  /// Bytes that one checkpoint takes.
  package var byteCount: Int { plan.exportedByteCount + plan.stateByteCount + companions.byteCount }

  /// Saves what `source` has as the checkpoint of `record.step`. When it returns, the checkpoint is on the disk and
  /// `latest` names it; when it throws, what was there before is as it was. A step that `latest` names already is left
  /// as it is.
  package func save(_ record: StateRecord, from source: some ParameterSource) throws {
    guard (0...TrainingFolder.lastStep).contains(record.step) else { throw StateError.badStep(record.step) }
    guard TrainingFolder.latestStep(in: folder.path) != record.step else { return }
    let model = TrainingFolder.modelPath(of: record.step, in: folder.path) + TrainingFolder.partialSuffix
    let state = TrainingFolder.statePath(of: record.step, in: folder.path) + TrainingFolder.partialSuffix
    do {
      try beforeChange("create the folders")
      for path in [model, state] { try FolderFiles.remove(path) }
      let outputs = (
        model: try OutputFolder(path: model, byteCount: byteCount), state: try OutputFolder(path: state, byteCount: 0)
      )
      try write(record, to: outputs, from: source)
      for path in [model, state] {
        try beforeChange("write \(path) to disk")
        try FolderFiles.synchronize(path)
      }
      try folder.publish(step: record.step, model: model, state: state, before: beforeChange)
    } catch let error as KilledByTest { throw error } catch {
      for path in [model, state] { try? FolderFiles.remove(path) }
      throw error
    }
  }

  private func write(
    _ record: StateRecord, to outputs: (model: OutputFolder, state: OutputFolder), from source: some ParameterSource
  ) throws {
    let models = ShardedWriter(
      outputs.model, stem: "model", tensors: plan.exported, shardByteCount: shardByteCount, beforeFile: beforeChange)
    let states = ShardedWriter(
      outputs.state, stem: "state", tensors: plan.state, shardByteCount: shardByteCount, beforeFile: beforeChange)
    try write(models, states, from: source)
    try models.finish()
    try states.finish()

    try beforeChange("write the model's documents")
    try outputs.model.write(models.sums.json, as: RecordedSums.fileName)
    if let index = models.index { try outputs.model.write(index, as: "model.safetensors.index.json") }
    try companions.write(to: outputs.model)
    try outputs.model.write(ExportedConfig.json(record.config, predictionLayers: predictionLayers), as: "config.json")

    try beforeChange("write the state's documents")
    let sums = Array((states.sums.json.text(pretty: true) + "\n").utf8)
    try outputs.state.write(sums, as: RecordedSums.fileName)
    var record = record
    (record.shards, record.sumsDigest) = (states.fileNames, SHA256.digest(sums))
    record.optimizer = plan.optimizer
    try outputs.state.write(record.json, as: StateRecord.fileName)
  }

  /// All tensors, in the order of the plan's requests.
  private func write(_ models: ShardedWriter, _ states: ShardedWriter, from source: some ParameterSource) throws {
    let exported = ExportedTensors(models)
    var buffer: [Float] = []
    for parameter in plan.parameters {
      for part in parameter.rule.parts {
        for request in SavePlan.pieces(of: parameter.spec, part) {
          if buffer.count < request.elements.count { buffer = Array(repeating: 0, count: request.elements.count) }
          try buffer.withUnsafeMutableBufferPointer { whole in
            let values = UnsafeMutableBufferPointer(rebasing: whole[..<request.elements.count])
            try source.read(request, into: values)
            try states.write(
              "\(parameter.name).\(part.rawValue)", UnsafeRawBufferPointer(values), at: request.elements.lowerBound * 4)
            guard part == .master else { return }
            try exported.add(parameter, UnsafeBufferPointer(values), from: request.elements.lowerBound)
          }
        }
      }
    }
  }
}

/// What a test throws in place of the process's end: nothing is cleaned up after it.
struct KilledByTest: Error {}
