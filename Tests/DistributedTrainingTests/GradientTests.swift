import Fabric
import Foundation
import JSON
import MoEModel
import Tensors
import TestSupport
import Testing
import Training

@testable import DistributedTraining

/// Gradients of whole models, every parameter of every family, are PyTorch's (`Tests/Reference/make_gradients.py`).
struct GradientTests {
  private static let tolerance = 1e-3

  private static func expected(_ file: String) throws -> JSONObject {
    let file = TinyTraining.fixtures.appending(path: "training/\(file).json")
    return try #require(try JSONValue(parsing: Array(try Data(contentsOf: file))).object)
  }

  /// Goldens of one form of weights that a reference trains, with and without their prediction modules.
  static let families =
    FamilyFixtures.trainable.filter { !FamilyFixtures.names.contains($0) && $0 != "kimi_k2" } + FamilyFixtures.indexed
    + ["deepseek_v3+prediction", "glm4_moe+prediction"]

  /// What transformers calls a parameter, experts taken apart.
  private func reference(_ spec: ParameterSpec, name: String, isGPT: Bool) -> String {
    guard let layer = spec.layer else { return name }
    let block = "model.layers.\(layer).mlp"
    let end = spec.id.isBias ? "bias" : "weight"
    switch spec.role {
    case .feedForward(.expert, let projection): return "\(block).experts.\(spec.expert ?? 0).\(projection)_proj.\(end)"
    case .router: return "\(block).\(isGPT ? "router" : "gate").\(end)"
    default: return name
    }
  }

  private func direction(_ i: Int) -> Double {
    Double(UInt32(truncatingIfNeeded: UInt64(i) &* 2_654_435_761)) / 4_294_967_296 - 0.5
  }

  @Test(arguments: families)
  func gradientsAreTheReferences(name: String) throws {
    var training = TinyTraining(String(name.prefix { $0 != "+" }))
    training.length = 20
    training.predicts = name.contains("+")
    if FamilyFixtures.indexed.contains(name) { training.chosenPositions = 20 }
    try compare(training, try #require(try Self.expected("gradients")[name])) {
      reference($0, name: $1, isGPT: name == "gpt_oss")
    }
  }

  /// Rotation in some layers only, queries that grow with their position, a floor under a router's sum, biases of
  /// shared experts.
  @Test(arguments: FamilyFixtures.names)
  func gradientsOfOtherFamiliesAreTheReferences(name: String) throws {
    var training = TinyTraining(name)
    training.length = 20
    try compare(training, try #require(try Self.expected("family_gradients")[name])) { spec, _ in
      PublishedNames.standard.tensor(spec.id)
    }
  }

  /// Gated DeltaNet and gated attention, projections fused and apart, the text model of a model of several parts.
  @Test(arguments: ["qwen3_next", "qwen3_5_moe", "qwen3_5"])
  func gradientsOfGatedDeltaNetAreTheReferences(name: String) throws {
    var training = TinyTraining(name)
    training.length = 20
    try compare(training, try #require(try Self.expected("delta_gradients")[name])) { spec, own in
      let body = name == "qwen3_next" ? "model" : "model.language_model"
      let layer = "\(body).layers.\(spec.layer ?? 0).mlp"
      switch spec.role {
      case .feedForward(.expert, let projection):
        return "\(layer).experts.\(spec.expert ?? 0).\(projection)_proj.weight"
      case .router: return "\(layer).gate.weight"
      default: return own.hasPrefix("model.") && !own.hasPrefix(body) ? body + own.dropFirst("model".count) : own
      }
    }
  }

  /// Compressed attention of three kinds, hyper-connections between two streams and three, experts by token, a module
  /// after several streams.
  @Test(arguments: ["deepseek_v4", "deepseek_v4_saved", "deepseek_v4+prediction"])
  func gradientsOfCompressedAttentionAreTheReferences(name: String) throws {
    let golden = String(name.prefix { $0 != "+" })
    try withTemporaryFolder { folder in
      var training = TinyTraining(golden)
      if name != golden {
        training = TinyTraining(folder: try PredictionFolder.write(golden, to: folder))
        (training.predicts, training.readsModule) = (true, true)
      }
      (training.chosenPositions, training.length) = (140, 140)
      try compare(training, try #require(try Self.expected("compressed_gradients")[name])) { spec, own in
        own.hasPrefix("model.") ? String(own.dropFirst("model.".count)) : own
      }
    }
  }

  /// `reference`: what the reference calls a parameter.
  private func compare(
    _ training: TinyTraining, _ expected: JSONValue, reference: @Sendable @escaping (ParameterSpec, String) -> String
  ) throws {
    var training = training
    (training.rounds, training.sequences) = (false, 2)
    let kept = training
    try LocalFabric.run(size: 1) { communicator in
      let trainer = try kept.trainer(communicator)
      let vocabulary = trainer.model.description.vocabularySize
      var settings = StepSettings(learningRate: 0)
      settings.clip = nil
      settings.predictionLoss = 0.3
      let result = try kept.step(1, trainer, settings) { sequence, rows in
        rows.append((0...kept.length).map { j in Int32((7 * sequence + 11 * j + j * j) % vocabulary) })
      }
      let loss = try #require(expected["loss"]?.double)
      #expect(abs(result.loss - loss) < 1e-4 * loss, "\(result.loss), \(loss)")
      let ahead = expected["prediction_loss"]?.double
      #expect((ahead != nil) == kept.predicts)
      #expect(abs((result.predictionLoss ?? 0) - (ahead ?? 0)) < 1e-4 * loss, "\(result.predictionLoss ?? 0)")
      var (failures, checked): ([String], Int) = ([], 0)
      for parameter in trainer.model.parameters where parameter.rule.learns {
        let reference = reference(parameter.spec, parameter.name)
        let gradient = parameter.gradient.buffer[..<parameter.own.count]
        let length = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        let product = gradient.enumerated().reduce(0.0) { $0 + Double($1.element) * direction($1.offset) }
        guard let known = expected["gradients"]?[reference]?.array?.compactMap(\.double), known.count == 2 else {
          // A parameter that nothing went through.
          if length != 0 { failures.append("\(parameter.name) is unknown to the reference as \(reference)") }
          continue
        }
        checked += 1
        let bound = Self.tolerance * known[0] + 1e-6
        if abs(length - known[0]) > bound || abs(product - known[1]) > bound {
          failures.append("\(parameter.name): \(length) and \(product), not \(known[0]) and \(known[1])")
        }
      }
      #expect(failures.isEmpty, "\(failures.count) of \(checked):\n\(failures.prefix(12).joined(separator: "\n"))")
      #expect(checked > 30)
    }
  }
}
