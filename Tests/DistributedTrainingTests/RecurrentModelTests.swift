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

  @Test(arguments: models) func nothingDependsOnRanksThreadsOrRecomputation(model: String) throws {
    var training = TinyTraining(model)
    training.length = 37
    try training.checkThatLayoutsChangeNothing()
  }

  @Test(arguments: [ProductPrecision.float32, .bfloat16])
  func everyInstructionSetGivesTheSame(products: ProductPrecision) throws {
    var training = TinyTraining("qwen3_next")
    training.products = products
    try training.checkThatInstructionSetsChangeNothing()
  }

  @Test func muonDoesNotDependOnRanks() throws {
    var training = TinyTraining("qwen3_5_moe")
    training.optimizer = .muon
    #expect(try TinyOutcome(of: training) == TinyOutcome(of: training, ranks: 2))
  }

  @Test(arguments: models) func sequencesOfALeafAreApart(model: String) throws {
    try TinyTraining(model).checkThatSequencesAreApart([9, 9], leaves: [[0, 1]])
  }

  /// A training that was stopped goes on to the bits of one that was not, and what it leaves is a folder that the
  /// family's names and types are in.
  @Test(arguments: [("qwen3_next", OptimizerKind.muon), ("qwen3_5_moe", .adamW)])
  func aTrainingThatStopsEndsWithTheSameBits(model: String, optimizer: OptimizerKind) throws {
    let folder = TemporaryFolder()
    var whole = try TinyTextTraining(in: folder, vocabulary: 60)
    (whole.delta, whole.optimizer, whole.packing, whole.out) = (model, optimizer, .whole, "whole")
    try whole.checkThatStopsChangeNothing()
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
