import Backpropagation
import Checkpoints
import Fabric
import Foundation
import Gradients
import Kernels
import MoEModel
import Tensors
import TestSupport
import Testing
import Training

@testable import DistributedTraining

/// Models with layers that keep a state of each sequence.
struct RecurrentModelTests {
  static let models = ["qwen3_next", "qwen3_5_moe", "qwen3_5"]

  private func run(_ training: TinyTraining, ranks: Int = 1) throws -> TinyOutcome {
    try TinyOutcome(of: training, ranks: ranks)
  }

  @Test(arguments: models) func nothingDependsOnRanksThreadsOrRecomputation(model: String) throws {
    var training = TinyTraining(model)
    training.length = 37
    let alone = try run(training)
    #expect(alone.results.allSatisfy { $0.loss.isFinite && $0.gradientNorm > 0 })
    for (ranks, threads, recomputes) in [(1, 3, false), (2, 1, false), (3, 1, true), (1, 1, true), (5, 1, false)] {
      (training.threads, training.recomputes) = (threads, recomputes)
      let found = try run(training, ranks: ranks)
      #expect(found.results == alone.results, "\(ranks) ranks, \(threads) threads, \(recomputes)")
      let other = alone.differing(from: found)
      #expect(other.isEmpty, "\(ranks) ranks, \(threads) threads: \(other.prefix(5))")
    }
  }

  @Test(arguments: [ProductPrecision.float32, .bfloat16])
  func everyInstructionSetGivesTheSame(products: ProductPrecision) throws {
    var training = TinyTraining("qwen3_next")
    training.products = products
    let best = try run(training)
    for isa in InstructionSet.supported {
      training.isa = isa
      #expect(try run(training) == best, "\(isa)")
    }
  }

  @Test func muonDoesNotDependOnRanks() throws {
    var training = TinyTraining("qwen3_5_moe")
    training.optimizer = .muon
    #expect(try run(training) == run(training, ranks: 2))
  }

  /// Sequences that lie behind each other in one leaf neither see nor change each other.
  @Test(arguments: models) func sequencesOfALeafAreApart(model: String) throws {
    let training = TinyTraining(model)
    let found = try LocalFabric.run(size: 1) { communicator -> [(loss: Double, norm: Double)] in
      let trainer = try training.trainer(communicator)
      let vocabulary = trainer.model.description.vocabularySize
      func tokens(_ number: Int) -> [Int32] { (0...9).map { Int32((number * 7 + $0 * $0 * 3 + $0) % vocabulary) } }
      return try [[[0, 1]], [[0], [1]]].map { leaves in
        let result = try trainer.timed {
          try trainer.update(
            1, rowsByLeaf: leaves.map { $0.count * 9 }, loss: CrossEntropyLoss(zLoss: 0),
            settings: training.settings(0), accepted: { _ in false }
          ) { leaf, rows in for number in leaves[leaf] { rows.append(tokens(number)) } }
        }
        return (result.loss, result.gradientNorm)
      }
    }[0]
    // The same numbers, added up in another order.
    #expect(abs(found[0].loss - found[1].loss) < 1e-9)
    #expect(abs(found[0].norm - found[1].norm) < 1e-5 * found[1].norm)
  }

  /// A training that was stopped goes on to the bits of one that was not, and what it leaves is a folder that the
  /// family's names and types are in.
  @Test(arguments: [("qwen3_next", OptimizerKind.muon), ("qwen3_5_moe", .adamW)])
  func aTrainingThatStopsEndsWithTheSameBits(model: String, optimizer: OptimizerKind) throws {
    let folder = TemporaryFolder()
    var whole = try TinyTextTraining(in: folder, vocabulary: 60)
    (whole.delta, whole.optimizer, whole.packing, whole.out) = (model, optimizer, .whole, "whole")
    let told = try whole.run()
    let digests = try whole.digests().filter { $0.key.contains("-000006/") }
    #expect(digests.count > 4)
    for (stop, before, after) in [(1, 1, 3), (3, 2, 1)] {
      var part = whole
      (part.out, part.ranks, part.stopAfter) = ("stopped-\(stop)", before, stop)
      let first = try part.run()
      #expect(first.steps == Array(told.steps.prefix(stop)))
      (part.ranks, part.stopAfter, part.resumes) = (after, nil, true)
      #expect(try part.run().steps == Array(told.steps.dropFirst(stop)), "stopped after \(stop)")
      #expect(try part.digests().filter { $0.key.contains("-000006/") } == digests, "stopped after \(stop)")
    }
    let saved = try CheckpointFormat.open(whole.outPath + "/step-000006")
    let description = try ModelConfiguration.read(saved)
    let reader = try ParameterReader(description, checkpoint: saved)
    for spec in ParameterTable(description) where !spec.isMatrix {
      let type = saved.tensor(description.names.tensor(spec.id))?.type
      #expect(type == (spec.role.isFull ? .float32 : .bfloat16), "\(spec.id)")
      guard spec.offset == 1 else { continue }
      var values = [Float](repeating: 0, count: spec.elementCount)
      try values.withUnsafeMutableBufferPointer { try reader.read(spec, from: 0, into: $0) }
      #expect(values.allSatisfy { $0 > 0.3 && $0 < 1.7 }, "\(spec.id)")
    }
  }

  /// Norms that add one to their weight have masters of what is stored, and are rounded as that is.
  @Test func whatIsStoredIsLearnt() throws {
    try LocalFabric.run(size: 1) { communicator in
      let training = TinyTraining("qwen3_next")
      let trainer = try training.trainer(communicator)
      _ = try training.step(1, trainer, rate: 1e-3)
      for parameter in trainer.model.parameters {
        let offset: Float = parameter.spec.role == .attentionNorm ? 1 : 0
        #expect(parameter.spec.role != .attentionNorm || parameter.spec.offset == 1)
        guard parameter.spec.role.isNorm, parameter.spec.offset == offset else { continue }
        let master = parameter.numbers(.master).buffer
        for i in 0..<parameter.spec.elementCount {
          #expect(parameter.values.pointer[i] == offset + BFloat16.value(BFloat16.bits(master[i])))
        }
      }
    }
  }
}
