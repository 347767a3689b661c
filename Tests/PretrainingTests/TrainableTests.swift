import Fabric
import MoEModel
import Testing

@testable import Pretraining

/// Models that have no backward pass are refused before anything is trained.
struct TrainableTests {
  @Test(arguments: ["deepseek_v32", "glm_moe_dsa"]) func anIndexerCannotBeTrained(model: String) throws {
    let training = TinyTraining(model)
    let failure = #expect(throws: PretrainingError.self) {
      try LocalFabric.run(size: 1) { communicator in _ = try training.trainer(communicator) }
    }
    #expect(failure == .notTrained(family: model))
    #expect("\(PretrainingError.notTrained(family: model))".contains("indexer"))
  }
}
