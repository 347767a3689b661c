import Backpropagation
import Checkpoints
import Fabric
import Foundation
import Gradients
import JSON
import Kernels
import ModelRuntime
import MoEModel
import Tensors
import TestSupport
import Training

@testable import DistributedTraining

/// A golden's model, to be trained for a few steps on made-up tokens, on ranks that are threads of this process.
struct TinyTraining: Sendable {
  static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures")
  let folder: String
  var length = 24
  var sequences = 5
  var optimizer = OptimizerKind.adamW
  var rounds = true
  var recomputes = false
  var products = ProductPrecision.float32
  /// With a multi-token prediction module, whose numbers are made up (`Tests/Reference/make_gradients.py`).
  var predicts = false
  /// The module is the folder's own.
  var readsModule = false
  /// How many positions an indexer chooses, or entries, where not as many as the golden's.
  var chosenPositions: Int?
  var threads = 1
  var isa = InstructionSet.best

  /// Of a golden, of a family without one, or of one with layers of gated DeltaNet or of compressed attention.
  init(_ name: String) { folder = FamilyFixtures.folder(name) }

  init(folder: String) { self.folder = folder }

  /// A rank's trainer with the golden's weights.
  func trainer(_ communicator: any Communicator) throws -> Trainer {
    let source = try CheckpointFormat.open(folder)
    let description = try ModelConfiguration.read(source)
    let runtime = try ClusterRuntime(communicator, threadsPerRank: threads, instructionSet: isa)
    let type = rounds ? ElementType.bfloat16 : .float32
    let opened = try OpenedModel(
      opening: {
        try ShapeCheckpoint(config(of: source), path: folder + "/config.json", type: type, predicts: predicts)
      },
      holding: products == .bfloat16 ? .bf16 : .auto, predicting: predicts, on: communicator)
    let loaded = try LoadedModel(opened, runtime: runtime, options: LoadOptions(), onEvent: { _ in })
    let trainer = try Trainer(
      loaded, runtime: runtime, optimizer: optimizer, sequenceLength: length, mostSequences: sequences,
      capacity: StepCapacity(leaves: sequences, length: length, ranks: communicator.size), rounds: rounds,
      recomputes: recomputes)
    let reader = try ParameterReader(description, checkpoint: source)
    try trainer.model.fill([.master]) { _, spec, first, buffer in
      try fill(buffer, with: spec, from: first, description, reader)
    }
    try trainer.begin()
    return trainer
  }

  private func config(of source: some Checkpoint) -> JSONValue {
    guard let chosenPositions, var members = source.config.object else { return source.config }
    members["index_topk"] = .int(chosenPositions)
    return .object(members)
  }

  private func fill(
    _ buffer: UnsafeMutableBufferPointer<Float>, with spec: ParameterSpec, from first: Int,
    _ description: DecoderDescription, _ reader: ParameterReader
  ) throws {
    guard spec.layer == description.layerCount, !readsModule else {
      return try reader.read(spec.stored, from: first, into: buffer)
    }
    let size = description.hiddenSize
    for i in buffer.indices {
      let (row, column) = ((first + i) / (2 * size), (first + i) % (2 * size))
      switch spec.role {
      case .prediction(.projection):
        buffer[i] = Float((7 * row + 3 * column) % 11 - 5) / 100 + (column % size == row ? 0.5 : 0)
      case .prediction: buffer[i] = 1 + Float(5 * (first + i) % 7 - 3) / 100
      default:
        // The model's last layer once more.
        var last = spec
        last.id.layer = description.layerCount - 1
        return try reader.read(last.stored, from: first, into: buffer)
      }
    }
  }

  /// Sequence `number` of all that there are; the last tokens of some are not predicted.
  func read(_ number: Int, vocabulary: Int, into rows: inout LeafRows) {
    var random = SeededGenerator(UInt64(number + 1))
    let tokens = (0...length).map { _ in Int32.random(in: 0..<Int32(vocabulary), using: &random) }
    rows.append(tokens, predicted: number % 3 == 1 ? length / 2 : length)
  }

  func settings(_ rate: Double) -> StepSettings {
    var settings = StepSettings(learningRate: rate)
    settings.balanceSpeed = rate > 0 ? 0.01 : 0
    settings.objective.balance = 0.01
    settings.predictionLoss = 0.3
    return settings
  }

  /// One step of a training, of sequences that no other step has.
  func step(_ number: Int, _ trainer: Trainer, rate: Double) throws -> StepResult {
    try step(number, trainer, settings(rate)) {
      read((number - 1) * sequences + $0, vocabulary: trainer.model.description.vocabularySize, into: &$1)
    }
  }

  /// One step of leaves of one sequence each.
  func step(
    _ number: Int, _ trainer: Trainer, _ settings: StepSettings, accepted: (StepResult) -> Bool = { $0.fault == nil },
    leaf: (_ number: Int, _ rows: inout LeafRows) throws -> Void
  ) throws -> StepResult {
    try trainer.timed {
      try trainer.update(
        number, rowsByLeaf: Array(repeating: length, count: sequences),
        loss: CrossEntropyLoss(zLoss: settings.headZLoss), settings: settings, accepted: accepted, leaf: leaf)
    }
  }
}
