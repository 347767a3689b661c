import Checkpoints
import Foundation
import JSON
import MoEModel
import TestSupport
import Testing

@testable import Training

/// A state that is not this training's, or is damaged, is refused in words.
@Suite struct SavedStateTests {
  private let folder = TemporaryFolder()

  private func saved(_ name: String = "llama", optimizer: OptimizerKind = .adamW) throws -> SavedTraining {
    let training = try SavedTraining(name, in: folder.file("run"), optimizer: optimizer)
    try training.save(2)
    return training
  }

  private func statePath(_ file: String) -> String { folder.file("run/state-000002/\(file)") }

  private func edit(_ file: String, _ change: (inout [UInt8]) -> Void) throws {
    var bytes = [UInt8](try #require(FileManager.default.contents(atPath: statePath(file))))
    change(&bytes)
    folder.write(bytes, as: "run/state-000002/\(file)")
  }

  @Test func anotherModelsStateIsRefused() throws {
    let training = try saved()
    for other in ["qwen2", "deepseek_v3"] {
      let asked = try SavedTraining(other, in: training.folder)
      let text = message { _ = try asked.open(2) }
      #expect(text.contains("another model") && text.contains("there and"), "\(text)")
    }
    var config = try #require(training.config.object)
    config["rope_theta"] = 77
    let text = message {
      _ = try SavedState(
        folder: training.folder, step: 2, description: training.description, config: .object(config),
        plan: training.plan)
    }
    #expect(text.contains("rope_theta") && text.contains("77"), "\(text)")
    // What says nothing of the model may differ.
    config = try #require(training.config.object)
    config["torch_dtype"] = "float16"
    _ = try SavedState(
      folder: training.folder, step: 2, description: training.description, config: .object(config), plan: training.plan)
  }

  @Test func anotherOptimisersStateIsRefused() throws {
    let training = try saved()
    let text = message { _ = try SavedTraining("llama", in: training.folder, optimizer: .muon).open(2) }
    #expect(text.contains("--optimizer adamw"), "\(text)")
  }

  @Test func anotherShapeIsRefused() throws {
    let training = try saved()
    var description = training.description
    description.vocabularySize += 1
    let plan = SavePlan(description, optimizer: .adamW, predicts: false)
    let text = message {
      _ = try SavedState(
        folder: training.folder, step: 2, description: description, config: training.config, plan: plan)
    }
    #expect(text.contains("model.embed_tokens.weight.master") && text.contains("shape"), "\(text)")
    description.vocabularySize -= 1
    description.layers.append(description.layers[0])
    let deeper = message {
      _ = try SavedState(
        folder: training.folder, step: 2, description: description, config: training.config,
        plan: SavePlan(description, optimizer: .adamW, predicts: false))
    }
    #expect(deeper.contains("has no tensor"), "\(deeper)")
    description.layers.removeLast(2)
    let shallower = message {
      _ = try SavedState(
        folder: training.folder, step: 2, description: description, config: training.config,
        plan: SavePlan(description, optimizer: .adamW, predicts: false))
    }
    #expect(shallower.contains("does not have"), "\(shallower)")
  }

  @Test func everyByteOfTheRecordIsGuarded() throws {
    let training = try saved()
    let original = [UInt8](try #require(FileManager.default.contents(atPath: statePath("state.json"))))
    var generator = SeededGenerator(1)
    for _ in 0..<200 {
      let place = Int.random(in: 0..<original.count, using: &generator)
      var bytes = original
      bytes[place] ^= UInt8(1 << Int.random(in: 0..<8, using: &generator))
      // White space is no content.
      let blanks: Set<UInt8> = [0x20, 0x0A, 0x09, 0x0D]
      guard !(blanks.contains(bytes[place]) && blanks.contains(original[place])) else { continue }
      folder.write(bytes, as: "run/state-000002/state.json")
      let text = message { _ = try training.open(2) }
      #expect(!text.isEmpty, "byte \(place): \(original[place]) became \(bytes[place])")
    }
    for count in [0, 1, original.count / 2, original.count - 3] {
      folder.write(Array(original.prefix(count)), as: "run/state-000002/state.json")
      #expect(message { _ = try training.open(2) }.contains("damaged"))
    }
  }

  @Test func everyByteOfTheTensorsIsGuarded() throws {
    let training = try saved(optimizer: .muon)
    for place in [-1, -1000, -20_000] {
      try edit("state.safetensors") { $0[$0.count + place] ^= 4 }
      let state = try training.open(2)
      let text = message { try state.verify() }
      #expect(text.contains("damaged") && text.contains("latest"), "\(text)")
      try edit("state.safetensors") { $0[$0.count + place] ^= 4 }
    }
    try training.open(2).verify()
    try edit("model.sums.json") { $0[$0.count - 20] ^= 1 }
    #expect(message { _ = try training.open(2) }.contains("digest"))
    try edit("model.sums.json") { $0[$0.count - 20] ^= 1 }
    try edit("state.safetensors") { $0.removeLast() }
    #expect(message { _ = try training.open(2) }.contains("state.safetensors"))
    unlink(statePath("state.safetensors"))
    #expect(message { _ = try training.open(2) }.contains("cannot open"))
    #expect(message { _ = try training.open(3) }.contains("cannot open"))
  }

  @Test func aRecordThatLiesIsRefused() throws {
    let training = try saved()
    func rewritten(_ change: (inout StateRecord) -> Void) throws -> String {
      var record = try StateRecord(path: statePath("state.json"))
      let original = record
      change(&record)
      folder.write(record.json.text(), as: "run/state-000002/state.json")
      let text = message { _ = try training.open(2) }
      folder.write(original.json.text(), as: "run/state-000002/state.json")
      return text
    }
    #expect(try rewritten { _ in }.isEmpty)
    #expect(try rewritten { $0.step = 3 }.contains("step 3"))
    #expect(try rewritten { $0.step = -1 }.contains("negative"))
    #expect(try rewritten { $0.shards = ["../../x.safetensors"] }.contains("name of a file"))
    #expect(try rewritten { $0.shards = [] }.contains("no tensor"))
    folder.write("{\"format\": \"martinet training state\", \"version\": 2}", as: "run/state-000002/state.json")
    #expect(message { _ = try training.open(2) }.contains("version 2"))
  }
}
