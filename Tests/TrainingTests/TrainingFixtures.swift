import Checkpoints
import Foundation
import JSON
import MoEModel
import TestSupport

/// What several suites here begin with.
enum TrainingFixtures {
  /// Tiny checkpoints of every family that can be trained.
  static let goldens = FamilyFixtures.trainable

  static func golden(_ name: String) -> String { FamilyFixtures.folder(name) }

  /// A folder with a tokenizer of 4096 tokens.
  static let tokenizer = Page.root.appending(path: "Tests/Fixtures/tokenizers/small").path

  /// DeepSeek-V3's shape with 11.85 M parameters.
  static func shape() throws -> DecoderDescription {
    let path = Page.root.appending(path: "benchmarks/training/shapes/deepseek-v3-12m.json").path
    return try ModelConfiguration.read(
      try ConfigReader(try JSONValue(parsing: Array(Data(contentsOf: URL(filePath: path)))), path: path))
  }

  static func model(_ name: String) throws -> (checkpoint: any Checkpoint, description: DecoderDescription) {
    let checkpoint = try CheckpointFormat.open(golden(name))
    return (checkpoint, try ModelConfiguration.read(checkpoint))
  }

  /// What PyTorch and float64 arithmetic made of small inputs (`Tests/Reference/make_training_values.py`).
  static func values() throws -> JSONValue {
    let path = Page.root.appending(path: "Tests/Fixtures/training/values.json")
    return try JSONValue(parsing: Array(Data(contentsOf: path)))
  }
}

extension JSONValue {
  var doubles: [Double] { array?.map { $0.double ?? .nan } ?? [] }
  var floats: [Float] { doubles.map { Float($0) } }
}

/// The message of what `body` throws.
func message(_ body: () throws -> Void) -> String {
  do { try body() } catch { return "\(error)" }
  return ""
}
