import Checkpoints
import Foundation
import Kernels
import Machine
import MoEModel
import TestSupport
import Testing
import Training

@testable import DistributedTraining

/// What part of a machine's arithmetic a training is said to use.
@Suite struct UtilizationTests {
  private func layout(sequences: Int = 8) throws -> TrainingLayout {
    let folder = TinyTraining.fixtures.appending(path: "goldens/deepseek_v3").path
    let source = try CheckpointFormat.open(folder)
    let description = try ModelConfiguration.read(try ShapeCheckpoint(source.config, path: folder))
    return TrainingLayout(
      description,
      TrainingLayout.Terms(
        sequenceLength: 64, sequences: sequences, rankCount: 1, ranksPerHost: 1, workerCount: 1))
  }

  /// Small models' products are a small part of their steps: most of the time goes to what is no product.
  @Test func aSmallModelUsesLittleOfThePeak() throws {
    // Other programs may take of the peak and leave the products: not every time.
    let fault = faultWithPatience([2, 4, 8, 16]) { rounds in
      let compute = Compute(pool: try WorkerPool(workerCount: 1))
      let (peak, utilization) = UtilizationProbe(compute, rounds: Int(rounds)).measure(try layout())
      return peak > 0 && utilization > 0 && utilization < UtilizationProbe.assumed ? nil : "\(utilization) of \(peak)"
    }
    #expect(fault == nil)
  }

  /// What a step renews is shared by its tokens.
  @Test func moreTokensMoveFewerNumbersEach() throws {
    let (few, many) = (
      UtilizationProbe.numbers(try layout(sequences: 8)), UtilizationProbe.numbers(try layout(sequences: 16))
    )
    let count = Double(TrainingWork(try layout().description, sequenceLength: 64).parameterCount)
    // 512 tokens of the smaller step, 1024 of the larger one.
    #expect(abs((few - many) - count / 1024) < 1e-6 * count && many > 0)
  }
}
