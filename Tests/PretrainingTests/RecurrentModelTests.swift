import Checkpoints
import Foundation
import MoEModel
import Pretraining
import Testing

/// Models with layers that have no backward pass.
struct RecurrentModelTests {
  @Test(arguments: ["delta/qwen3_next", "delta/qwen3_5_moe", "delta/qwen3_5", "compressed/deepseek_v4_saved"])
  func aRecurrentModelIsNotTrained(name: String) throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/\(name)").path
    let config = try CheckpointFormat.open(folder).config
    do {
      _ = try ShapeCheckpoint(config, path: folder + "/config.json")
      Issue.record("a model that cannot be trained was taken")
    } catch let error as ModelError {
      #expect("\(error)".contains("gated DeltaNet") && "\(error)".contains("trained"))
    }
  }
}
