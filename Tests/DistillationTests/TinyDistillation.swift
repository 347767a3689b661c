import Checkpoints
import Fabric
import Gradients
import Kernels
import ModelRuntime
import MoEModel
import Tensors
import TestSupport
import Training

@testable import Distillation
@testable import DistributedTraining

/// A golden's model that learns for a few steps from another's what follows made-up tokens, on ranks that are threads
/// of this process.
struct TinyDistillation: Sendable {
  static let length = 20
  static let sequences = 5

  /// What came of it: the results of steps, what they told beside, and every number of the student by parameter.
  struct Outcome: Sendable, Equatable {
    var results: [StepResult] = []
    var reports: [DistillationReport] = []
    var numbers: [String: [Float]] = [:]
  }

  var student = "qwen2"
  var teacher = "deepseek_v3_bf16"
  var divergence = Divergence.reverse
  var steps = 3
  var rate = 3e-3
  var threads = 1
  var isa = InstructionSet.best
  /// Tokens that both count as theirs; nil for all of the student's.
  var vocabulary: Int?

  func run(ranks: Int) throws -> Outcome {
    let found = try LocalFabric.run(size: ranks) { try train($0) }
    var outcome = found[0].outcome
    for (name, _, values) in found.flatMap(\.numbers).sorted(by: { ($0.0, $0.1.lowerBound) < ($1.0, $1.1.lowerBound) })
    {
      outcome.numbers[name, default: []] += values
    }
    return outcome
  }

  private func train(
    _ communicator: any Communicator
  ) throws -> (outcome: Outcome, numbers: [(String, Range<Int>, [Float])]) {
    let path = FamilyFixtures.folder(student)
    let source = try CheckpointFormat.open(path)
    let description = try ModelConfiguration.read(source)
    let runtime = try ClusterRuntime(communicator, threadsPerRank: threads, instructionSet: isa)
    let opened = try OpenedModel(
      opening: { try ShapeCheckpoint(source.config, path: path + "/config.json") }, holding: .auto, on: communicator)
    let loaded = try LoadedModel(opened, runtime: runtime, options: LoadOptions(), onEvent: { _ in })
    let trainer = try Trainer(
      loaded, runtime: runtime, optimizer: .adamW, sequenceLength: Self.length, mostSequences: Self.sequences,
      capacity: StepCapacity(leaves: Self.sequences, length: Self.length, ranks: communicator.size), rounds: true,
      recomputes: false)
    let reader = try ParameterReader(description, checkpoint: source)
    try trainer.model.fill([.master]) { _, spec, first, buffer in
      try reader.read(spec.stored, from: first, into: buffer)
    }
    try trainer.begin()
    let loss = try taught(runtime, description)
    var outcome = Outcome()
    for number in 1...steps {
      var settings = StepSettings(learningRate: rate)
      settings.clip = nil
      settings.adamW.decay = 0
      outcome.results.append(
        try trainer.timed {
          try trainer.update(
            number, rowsByLeaf: Array(repeating: Self.length, count: Self.sequences), loss: loss, settings: settings,
            accepted: { $0.fault == nil }
          ) { leaf, rows in
            var random = SeededGenerator(UInt64(number * 100 + leaf))
            let vocabulary = Int32(min(300, description.vocabularySize))
            let tokens = (0...Self.length).map { _ in Int32.random(in: 0..<vocabulary, using: &random) }
            rows.append(tokens, predicted: leaf % 3 == 1 ? Self.length / 2 : Self.length)
          }
        })
      var report = DistillationReport()
      let own = trainer.ownLeaves(count: Self.sequences)
      report.note(try .total(loss.findings(rowsByLeaf: own.map { _ in Self.length }), over: communicator))
      outcome.reports.append(report)
    }
    let numbers = trainer.model.parameters.filter { !$0.own.isEmpty }.map {
      ($0.name, $0.own, Array($0.numbers(.master).buffer[..<$0.own.count]))
    }
    return (outcome, numbers)
  }

  private func taught(_ runtime: ClusterRuntime, _ description: DecoderDescription) throws -> DivergenceLoss {
    let opened = try OpenedModel(FamilyFixtures.folder(teacher), holding: .auto, on: runtime.communicator)
    let model = try LoadedModel(opened, runtime: runtime, options: LoadOptions(), onEvent: { _ in })
    let frozen = try FrozenModel(
      model, runtime: runtime, rows: Self.sequences * Self.length, sequences: Self.sequences)
    let common = try CommonVocabulary(
      student: .init(nil, rows: vocabulary ?? description.vocabularySize),
      teacher: .init(nil, rows: vocabulary ?? model.description.vocabularySize))
    return DivergenceLoss(frozen, divergence, common, on: runtime.communicator)
  }
}
