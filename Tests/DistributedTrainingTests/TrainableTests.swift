import Fabric
import MoEModel
import Tensors
import Testing
import Training

@testable import DistributedTraining

/// Models whose attention chooses positions are trained as far as it sees all of them.
struct TrainableTests {
  @Test(arguments: [("deepseek_v32", 6), ("glm_moe_dsa", 8)])
  func sequencesThatAnIndexerChoosesOfAreRefused(model: String, most: Int) throws {
    var training = TinyTraining(model)
    training.length = most + 1
    let long = training
    let failure = #expect(throws: DistributedTrainingError.self) {
      try LocalFabric.run(size: 1) { communicator in _ = try long.trainer(communicator) }
    }
    #expect(failure == .choosesPositions(family: model, sequenceLength: most + 1, most: most))
    training.length = most
    let short = training
    try LocalFabric.run(size: 1) { communicator in _ = try short.trainer(communicator) }
  }

  /// An indexer, which has no gradient, stays as it is to the bit; all other parameters learn, to the same bits on one
  /// rank and on two.
  @Test(arguments: ["deepseek_v32", "glm_moe_dsa"]) func anIndexerStaysAsItIs(model: String) throws {
    var training = TinyTraining(model)
    (training.chosenPositions, training.length) = (24, 24)
    let tiny = training
    func masters(ranks: Int) throws -> [[String: [UInt32]]] {
      try LocalFabric.run(size: ranks) { communicator in
        let trainer = try tiny.trainer(communicator)
        func bits() -> [String: [UInt32]] {
          var found: [String: [UInt32]] = [:]
          for parameter in trainer.model.parameters where parameter.spec.expert == nil {
            let numbers = parameter.numbers(.master).buffer[..<parameter.own.count]
            found[parameter.name] = numbers.map(\.bitPattern)
          }
          return found
        }
        let before = bits()
        _ = try tiny.step(1, trainer, rate: 1e-3)
        let after = bits()
        for parameter in trainer.model.parameters where parameter.spec.expert == nil && !parameter.own.isEmpty {
          let stays = before[parameter.name] == after[parameter.name]
          #expect(stays == parameter.spec.role.isOfIndexer, "\(parameter.name)")
        }
        return after
      }
    }
    let (alone, together) = (try masters(ranks: 1)[0], try masters(ranks: 2))
    for (name, numbers) in alone {
      #expect(numbers == together.flatMap { $0[name] ?? [] }, "\(name)")
    }
  }
}
