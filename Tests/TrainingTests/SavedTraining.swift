import Checkpoints
import JSON
import MoEModel
import TestSupport
import Testing

@testable import Training

/// A training that is saved and read: numbers that tell where they come from.
struct SavedTraining {
  let folder: String
  let description: DecoderDescription
  let config: JSONValue
  let plan: SavePlan
  let companions: Companions

  /// A small model, so that many saves take no time.
  init(smallIn folder: String) throws {
    var config = try #require(try TrainingFixtures.model("llama").checkpoint.config.object)
    for (key, value) in [
      ("vocab_size", 40), ("hidden_size", 8), ("intermediate_size", 12), ("num_hidden_layers", 1),
      ("num_attention_heads", 2), ("num_key_value_heads", 1), ("head_dim", 4),
    ] { config[key] = .int(value) }
    (self.folder, self.config) = (folder, .object(config))
    description = try ModelConfiguration.read(try ConfigReader(.object(config), path: "config.json"))
    plan = SavePlan(description, optimizer: .muon, predicts: false)
    companions = Companions()
  }

  init(_ name: String, in folder: String, optimizer: OptimizerKind = .adamW, predicts: Bool = false) throws {
    let model = try TrainingFixtures.model(name)
    (self.folder, description, config) = (folder, model.description, model.checkpoint.config)
    plan = SavePlan(description, optimizer: optimizer, predicts: predicts)
    companions = try Companions(of: model.checkpoint.path)
  }

  /// Each number follows from parameter, part, place and step.
  struct Numbers: ParameterSource {
    let step: Int
    func read(_ request: SavePlan.Request, into buffer: UnsafeMutableBufferPointer<Float>) throws {
      var hash = UInt64(truncatingIfNeeded: step)
      for byte in "\(request.parameter.id) \(request.part.rawValue)".utf8 {
        hash = (hash ^ UInt64(byte)) &* 1_099_511_628_211
      }
      for (i, place) in request.elements.enumerated() {
        let bits = (hash &+ UInt64(place)) &* 0x9E37_79B9_7F4A_7C15
        buffer[i] = Float(Int32(truncatingIfNeeded: bits >> 32)) * 0x1p-31
      }
    }
    /// The same by itself.
    func values(_ spec: ParameterSpec, _ part: StatePart) throws -> [Float] {
      var values = [Float](repeating: 0, count: spec.elementCount)
      try values.withUnsafeMutableBufferPointer {
        try read(SavePlan.Request(parameter: spec, part: part, elements: 0..<spec.elementCount), into: $0)
      }
      return values
    }
  }

  func record(_ step: Int) -> StateRecord {
    StateRecord(
      step: step, seed: .max, position: step * 32, tokenCount: step * 8192, optimizer: plan.optimizer,
      dataFingerprint: [1, 2, 255], recipe: ["learning_rate": .double(3e-4), "loads": [1, 2, 3]], config: config)
  }

  func writer(keep: Int = 3, pinEvery: Int = 0, resume: Bool = true) throws -> CheckpointWriter {
    CheckpointWriter(
      try TrainingFolder(path: folder, keep: keep, pinEvery: pinEvery, resume: resume), plan, companions: companions,
      predictionLayers: 1)
  }

  func save(_ step: Int, keep: Int = 3) throws {
    try writer(keep: keep).save(record(step), from: Numbers(step: step))
  }

  func open(_ step: Int) throws -> SavedState {
    try SavedState(folder: folder, step: step, description: description, config: config, plan: plan)
  }

  /// Whether the step's checkpoint is there, whole, to the last number.
  func isWhole(_ step: Int) -> Bool {
    do {
      let state = try open(step)
      try state.verify()
      let numbers = Numbers(step: step)
      for parameter in plan.parameters {
        for part in parameter.rule.parts {
          var values = [Float](repeating: 0, count: parameter.spec.elementCount)
          try values.withUnsafeMutableBufferPointer { try state.read(part, of: parameter.spec.id, from: 0, into: $0) }
          guard values == (try numbers.values(parameter.spec, part)) else { return false }
        }
      }
      let model = try CheckpointFormat.open(TrainingFolder.modelPath(of: step, in: folder))
      _ = try ModelConfiguration.read(model)
      return true
    } catch { return false }
  }
}
