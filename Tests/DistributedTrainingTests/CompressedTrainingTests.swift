import Backpropagation
import Checkpoints
import Fabric
import Foundation
import Gradients
import JSON
import Kernels
import MoEModel
import Tensors
import TestSupport
import Testing
import Training

@testable import DistributedTraining

/// Training of DeepSeek-V4's layers: entries of several tokens, several residual streams, experts by token.
struct CompressedTrainingTests {
  static let models = FamilyFixtures.compressed

  /// Sequences in which the shorter entries are complete.
  private func training(_ model: String) -> TinyTraining {
    var training = TinyTraining(model)
    (training.chosenPositions, training.length) = (20, 37)
    return training
  }

  /// A training with the prediction module of the fixture.
  private func withModule<Result>(_ body: (TinyTraining) throws -> Result) throws -> Result {
    try withTemporaryFolder { folder in
      var training = TinyTraining(folder: try PredictionFolder.write("deepseek_v4", to: folder))
      (training.predicts, training.readsModule, training.chosenPositions) = (true, true, 20)
      return try body(training)
    }
  }

  @Test(arguments: models) func nothingDependsOnRanksThreadsOrRecomputation(model: String) throws {
    try training(model).checkThatLayoutsChangeNothing()
  }

  @Test func aModuleAfterSeveralStreamsDependsOnNoneOfThemEither() throws {
    try withModule { training in
      let alone = try TinyOutcome(of: training)
      #expect(alone.results.allSatisfy { ($0.predictionLoss ?? 0) > 0 })
      for (ranks, recomputes) in [(2, false), (1, true), (3, true)] {
        var other = training
        other.recomputes = recomputes
        #expect(try TinyOutcome(of: other, ranks: ranks) == alone, "\(ranks) ranks, \(recomputes)")
      }
    }
  }

  @Test(arguments: [ProductPrecision.float32, .bfloat16])
  func everyInstructionSetGivesTheSame(products: ProductPrecision) throws {
    var training = training("deepseek_v4_saved")
    training.products = products
    try training.checkThatInstructionSetsChangeNothing()
  }

  @Test func muonDoesNotDependOnRanks() throws {
    var training = training("deepseek_v4")
    training.optimizer = .muon
    #expect(try TinyOutcome(of: training) == TinyOutcome(of: training, ranks: 2))
  }

  @Test(arguments: models) func whatIsRepeatedIsLearnt(model: String) throws {
    try training(model).checkThatWhatIsRepeatedIsLearnt()
  }

  /// With entries or without.
  @Test(arguments: models) func sequencesOfALeafAreApart(model: String) throws {
    try training(model).checkThatSequencesAreApart([2, 19, 9, 12], leaves: [[0, 1], [2, 3]])
  }

  /// Beyond what an indexer chooses there would be a choice, which has no gradient.
  @Test(arguments: [("deepseek_v4", 23), ("deepseek_v4_saved", 31)])
  func sequencesThatAnIndexerChoosesOfAreRefused(model: String, most: Int) throws {
    for length in [most, most + 1] {
      var training = TinyTraining(model)
      training.length = length
      let tiny = training
      do {
        try LocalFabric.run(size: 1) { communicator in _ = try tiny.trainer(communicator) }
        #expect(length == most)
      } catch let error as DistributedTrainingError {
        #expect(length > most)
        #expect(error == .choosesPositions(family: "deepseek_v4", sequenceLength: length, most: most))
      }
    }
  }

  /// What has no gradient, an indexer and tables of experts by token, stays as it is to the bit; all else learns.
  @Test func onlyWhatHasAGradientIsChanged() throws {
    let training = training("deepseek_v4_saved")
    try LocalFabric.run(size: 1) { communicator in
      let trainer = try training.trainer(communicator)
      func masters() -> [[UInt32]] {
        trainer.model.parameters.map { $0.numbers(.master).buffer[..<$0.own.count].map(\.bitPattern) }
      }
      let before = masters()
      _ = try training.step(1, trainer, rate: 1e-3)
      for (parameter, (old, new)) in zip(trainer.model.parameters, zip(before, masters())) {
        let stays = parameter.spec.role.isOfIndexer || parameter.spec.role == .tokenExperts
        #expect((old == new) == stays, "\(parameter.name)")
      }
    }
  }

  /// A training that was stopped goes on to the bits of one that was not, and leaves a folder with the family's names
  /// and types, whose tables are those it began with.
  @Test(arguments: [("deepseek_v4_saved", OptimizerKind.muon), ("deepseek_v4", .adamW)])
  func aTrainingThatStopsEndsWithTheSameBits(model: String, optimizer: OptimizerKind) throws {
    let folder = TemporaryFolder()
    var whole = try TinyTextTraining(in: folder, vocabulary: 60)
    (whole.delta, whole.optimizer, whole.packing, whole.out) = (model, optimizer, .whole, "whole")
    try whole.checkThatStopsChangeNothing()
    let saved = try CheckpointFormat.open(whole.outPath + "/step-000006")
    let description = try ModelConfiguration.read(saved)
    let source = try CheckpointFormat.open(FamilyFixtures.folder(model))
    let readers = try [saved, source].map { try ParameterReader(try ModelConfiguration.read($0), checkpoint: $0) }
    for spec in ParameterTable(description) {
      let type = saved.tensor(description.names.tensor(spec.id))?.type
      #expect(type == spec.role.publishedType ?? .bfloat16, "\(spec.id)")
      guard spec.role == .tokenExperts else { continue }
      let tables = try readers.map { reader in
        var values = [Float](repeating: -1, count: spec.elementCount)
        try values.withUnsafeMutableBufferPointer { try reader.read(spec, from: 0, into: $0) }
        return values
      }
      #expect(tables[0] == tables[1] && Set(tables[0]).count > 2)
    }
  }

  /// Modules that draft blocks together can be left out only.
  @Test func modulesThatDraftBlocksAreNotTrained() throws {
    let source = try CheckpointFormat.open(FamilyFixtures.folder("deepseek_v4"))
    var members = try #require(source.config.object)
    for (key, value) in [("dspark_block_size", 5), ("dspark_noise_token_id", 3), ("dspark_markov_rank", 4)] {
      members[key] = .int(value)
    }
    members["dspark_target_layer_ids"] = .array([.int(1), .int(3)])
    let config = JSONValue.object(members)
    _ = try ShapeCheckpoint(config, path: "config.json")
    do {
      _ = try ShapeCheckpoint(config, path: "config.json", predicts: true)
      Issue.record("modules that cannot be trained were taken")
    } catch let error as ModelError {
      #expect(error == .noBackwardPass(family: "deepseek_v4") && "\(error)".contains("--prediction-loss"))
    }
  }

  /// A table that no model can have is refused where it is read, and a new model's is one that it can.
  @Test func tablesOfExpertsAreHeldToTheModel() throws {
    let source = try CheckpointFormat.open(FamilyFixtures.folder("deepseek_v4"))
    let description = try ModelConfiguration.read(try ShapeCheckpoint(source.config, path: "config.json"))
    let moe = try #require(description.moe)
    let table = TokenExpertTable(moe, tensor: "tid2eid")
    let specs = ParameterTable(description).filter { $0.role == .tokenExperts }
    #expect(specs.count == 2)
    let initial = try Initialization(description, seed: 4, spread: .standard)
    let tables = specs.map { initial.values(of: $0) }
    for values in tables {
      try values.withUnsafeBufferPointer { try table.check($0) }
      #expect(Set(values).count == moe.expertCount)
    }
    #expect(tables[0] != tables[1])
    // Any part of it is made as the whole is.
    for (first, count) in [(0, 1), (1, 2), (7, 30), (tables[0].count - 3, 3)] {
      var part = [Float](repeating: -1, count: count)
      part.withUnsafeMutableBufferPointer { initial.fill($0, with: specs[0], from: first) }
      #expect(part == Array(tables[0][first..<(first + count)]))
    }
    for bad in [[0, 0], [0, Float(moe.expertCount)], [-1, 0], [0.5, 1], [.nan, 1], [.infinity, 1]] {
      let failure = #expect(throws: ModelError.self) {
        try ([1, 0] + bad).withUnsafeBufferPointer { try table.check($0) }
      }
      #expect(failure.map { "\($0)" }?.contains("the token 1 to") == true, "\(bad)")
    }
  }
}
