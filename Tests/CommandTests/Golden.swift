import Checkpoints
import Foundation
import JSON
import TestSupport

/// A tiny checkpoint with the reference implementation's outputs (see `Tests/Fixtures/README.md`).
struct Golden: Sendable {
  static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures")
  static let names = FamilyFixtures.goldens

  struct Prompt: Sendable {
    let ids: [Int]
    let greedy: [Int]
  }

  let folder: String
  let document: JSONValue
  let file: SafetensorsFile
  let prompts: [Prompt]

  init(_ name: String) throws {
    folder = FamilyFixtures.folder(name)
    document = try JSONValue(parsing: Data(contentsOf: URL(filePath: folder + "/goldens.json")))
    file = try SafetensorsFile(path: folder + "/goldens.safetensors")
    prompts = document["prompts"]!.array!.map { Prompt(ids: ints($0["input_ids"]), greedy: ints($0["greedy"])) }
  }

  func floats(_ name: String) throws -> [Float] { try file.float32s(file.tensor(name)!) }
  func int32s(_ name: String) throws -> [Int32] { try file.int32s(file.tensor(name)!) }

  /// A file of texts that the demonstration model has not seen, those of at most `longest` tokens.
  static func heldOut(longest: Int, in folder: TemporaryFolder) throws -> String {
    let demo = fixtures.appending(path: "demo-model")
    let goldens = try JSONValue(parsing: Data(contentsOf: demo.appending(path: "goldens.json")))
    let recorded = goldens["heldout_documents"]!.array!
    let texts = try String(contentsOf: demo.appending(path: "heldout.jsonl"), encoding: .utf8).split(separator: "\n")
    let chosen = zip(texts, recorded).filter { $1["tokens"]!.exactInt! <= longest }.map(\.0)
    return folder.write(chosen.map { "\($0)\n" }.joined(), as: "documents.jsonl")
  }

  /// A prompt file with every prompt as ids.
  func promptFile(in folder: TemporaryFolder) -> String {
    folder.write(prompts.map { "{\"prompt_ids\":[\(list($0.ids))]}\n" }.joined(), as: "prompts.jsonl")
  }
}

func ints(_ value: JSONValue?) -> [Int] { value?.array?.compactMap(\.exactInt) ?? [] }
func list(_ ids: [Int]) -> String { ids.map { "\($0)" }.joined(separator: ",") }

/// Every line of a command's output as JSON.
func jsonLines(_ outcome: Program.Outcome) throws -> [JSONValue] {
  try outcome.lines.map { try JSONValue(parsing: $0) }
}
