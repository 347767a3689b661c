import Checkpoints
import Foundation
import JSON
import TestSupport

/// A few documents, and trainings of a golden's model on them, each in a folder of its own.
struct TinyCorpus {
  let folder = TemporaryFolder()
  let model: String
  let data: String

  init(_ golden: String = "deepseek_v3_bf16") throws {
    model = try Golden(golden).folder
    data = folder.write(Self.documents(40, step: 3), as: "data.jsonl")
  }

  /// Documents that count upwards.
  static func documents(_ count: Int, step: Int) -> String {
    (0..<count).map { number in
      let tokens = (0..<(9 + number % 23)).map { "\((number * 5 + $0 * step) % 90)" }
      return "{\"token_ids\":[\(tokens.joined(separator: ","))]}\n"
    }.joined()
  }

  /// The options of a training of four steps; what is in `options` is there instead.
  func arguments(to out: String, _ options: [String] = [], json: Bool = true) -> [String] {
    var values = [
      ("--model", model), ("--data", data), ("--steps", "4"), ("--save-every", "2"), ("--sequence-length", "16"),
      ("--batch-sequences", "5"), ("--learning-rate", "1e-2"), ("--threads", "1"),
    ]
    values.removeAll { options.contains($0.0) }
    return ["train", "pretrain", "--out", out] + values.flatMap { [$0.0, $0.1] } + (json ? ["--json"] : []) + options
  }

  func train(to out: String, _ options: [String] = [], ranks: Int? = nil) throws -> Program.Outcome {
    try Program.run(arguments(to: out, options), ranks: ranks)
  }

  /// SHA-256 of the files of a step's checkpoint.
  static func digest(_ out: String, step: Int) throws -> [String] {
    let number = String(repeating: "0", count: 6 - "\(step)".count) + "\(step)"
    return try ["step-\(number)/model.safetensors", "state-\(number)/state.safetensors", "state-\(number)/state.json"]
      .map { name in
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: "\(out)/\(name)")))
        return SHA256.digest(bytes).map { String($0, radix: 16) }.joined(separator: ".")
      }
  }

  /// What lines of steps tell but for times.
  static func lines(_ text: String) throws -> [String] {
    try text.split(separator: "\n").map { line in
      var object = try JSONValue(parsing: Array(line.utf8)).object ?? JSONObject()
      for key in ["seconds", "tokens_per_second", "mfu"] { object[key] = nil }
      return JSONValue.object(object).text()
    }
  }

  static func latest(_ out: String) -> String {
    FileManager.default.contents(atPath: out + "/latest").map { String(decoding: $0, as: UTF8.self) } ?? ""
  }
}
