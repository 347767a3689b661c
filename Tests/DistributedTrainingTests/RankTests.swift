import Fabric
import Foundation
import Gradients
import Kernels
import MoEModel
import Tensors
import Testing
import Training

@testable import DistributedTraining

/// A training's weights depend on nothing but data, seed and steps.
struct RankTests {
  private struct Outcome: Sendable, Equatable {
    var results: [StepResult]
    /// Every number of the training, by parameter and part.
    var numbers: [String: [Float]]
  }

  private func run(_ training: TinyTraining, ranks: Int, steps: Int = 3) throws -> Outcome {
    let found = try LocalFabric.run(size: ranks) { communicator -> ([StepResult], [(String, Range<Int>, [Float])]) in
      let trainer = try training.trainer(communicator)
      let results = try (1...steps).map { try training.step($0, trainer, rate: 3e-3) }
      var numbers: [(String, Range<Int>, [Float])] = []
      for parameter in trainer.model.parameters where !parameter.own.isEmpty {
        for part in parameter.rule.parts {
          numbers.append(
            (
              "\(parameter.name).\(part.rawValue)", parameter.own,
              Array(parameter.numbers(part).buffer[..<parameter.own.count])
            ))
        }
      }
      return (results, numbers)
    }
    for other in found.dropFirst() { #expect(other.0 == found[0].0) }
    var numbers: [String: [Float]] = [:]
    for (name, _, values) in found.flatMap(\.1).sorted(by: { ($0.0, $0.1.lowerBound) < ($1.0, $1.1.lowerBound) }) {
      numbers[name, default: []] += values
    }
    return Outcome(results: found[0].0, numbers: numbers)
  }

  @Test(arguments: ["deepseek_v3", "qwen3_moe", "gpt_oss", "llama"])
  func nothingDependsOnRanksOrThreads(name: String) throws {
    let alone = try run(TinyTraining(name), ranks: 1)
    #expect(alone.results.allSatisfy { $0.loss.isFinite && $0.gradientNorm > 0 })
    for (ranks, threads) in [(1, 2), (2, 1), (3, 1), (5, 1)] {
      var training = TinyTraining(name)
      training.threads = threads
      let found = try run(training, ranks: ranks)
      #expect(found.results == alone.results, "\(ranks) ranks, \(threads) threads")
      let other = alone.numbers.keys.filter {
        found.numbers[$0]?.map(\.bitPattern) != alone.numbers[$0]?.map(\.bitPattern)
      }
      #expect(other.isEmpty, "\(ranks) ranks, \(threads) threads: \(other.sorted().prefix(5))")
    }
  }

  @Test func muonDoesNotDependOnRanksEither() throws {
    var training = TinyTraining("deepseek_v3")
    training.optimizer = .muon
    let alone = try run(training, ranks: 1)
    for ranks in [2, 3] {
      #expect(try run(training, ranks: ranks) == alone)
    }
  }

  /// Products of bf16 numbers: near those of fp32, and the same on any number of ranks and threads.
  @Test(arguments: ["deepseek_v3", "gpt_oss", "llama"])
  func productsInHalfDoNotDependOnRanksEither(name: String) throws {
    let exact = try run(TinyTraining(name), ranks: 1)
    var training = TinyTraining(name)
    training.products = .bfloat16
    let alone = try run(training, ranks: 1)
    for (one, other) in zip(exact.results, alone.results) {
      #expect(one != other && abs(one.loss - other.loss) < 0.02 * one.loss, "\(one.loss), \(other.loss)")
      #expect(abs(one.gradientNorm - other.gradientNorm) < 0.05 * one.gradientNorm)
    }
    training.threads = 2
    #expect(try run(training, ranks: 1) == alone)
    (training.threads, training.recomputes) = (1, true)
    #expect(try run(training, ranks: 3) == alone)
  }

  /// With a module that predicts the token after the next one.
  @Test(arguments: ["deepseek_v3", "glm4_moe"])
  func predictionDoesNotDependOnRanksEither(name: String) throws {
    var training = TinyTraining(name)
    training.predicts = true
    let alone = try run(training, ranks: 1)
    #expect(alone.results.allSatisfy { ($0.predictionLoss ?? 0) > 0 })
    for ranks in [2, 3] {
      #expect(try run(training, ranks: ranks) == alone)
    }
  }

  /// Whether stages are kept or computed again.
  @Test(arguments: ["deepseek_v3", "qwen3_moe", "gpt_oss", "llama"], [(1, false), (3, false), (2, true)])
  func recomputationChangesNothing(name: String, way: (ranks: Int, predicts: Bool)) throws {
    let ranks = way.ranks
    var training = TinyTraining(name)
    training.predicts = way.predicts
    let kept = try run(training, ranks: ranks)
    training.recomputes = true
    #expect(try run(training, ranks: ranks) == kept)
  }

  @Test(arguments: [ProductPrecision.float32, .bfloat16])
  func everyInstructionSetGivesTheSame(products: ProductPrecision) throws {
    var training = TinyTraining("deepseek_v3")
    training.products = products
    let best = try run(training, ranks: 1)
    for isa in InstructionSet.supported {
      training.isa = isa
      #expect(try run(training, ranks: 1) == best, "\(isa)")
    }
  }

  @Test(arguments: ["deepseek_v3", "qwen3_moe", "llama"] + RecurrentModelTests.models)
  func whatIsRepeatedIsLearnt(name: String) throws { try TinyTraining(name).checkThatWhatIsRepeatedIsLearnt() }
}
