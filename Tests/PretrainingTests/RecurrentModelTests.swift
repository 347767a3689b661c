import Checkpoints
import Foundation
import MoEModel
import Pretraining
import Testing

/// Models with layers that have no backward pass.
struct RecurrentModelTests {
  @Test(arguments: ["qwen3_next", "qwen3_5_moe", "qwen3_5"])
  func aRecurrentModelIsNotTrained(name: String) throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/delta/\(name)").path
    let config = try CheckpointFormat.open(folder).config
    do {
      _ = try ShapeCheckpoint(config, path: folder + "/config.json")
      Issue.record("a model that cannot be trained was taken")
    } catch let error as ModelError {
      #expect("\(error)".contains("gated DeltaNet") && "\(error)".contains("trained"))
    }
  }
}
