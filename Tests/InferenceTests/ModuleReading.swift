import Checkpoints
import EngineAPI
import Foundation
import Kernels
import ModelRuntime
import MoEModel
import Tensors
import Testing

@testable import Inference

/// What a prediction module makes of a text that it reads whole, as a training has it read, and not as drafts come
/// about: row i is of what the model made of token i and of token i + 1, and guesses token i + 2.
struct ModuleReading {
  /// What its last norm gives, and the logits of that, row after row.
  var hidden: [Float] = []
  var logits: [Float] = []
  /// The greatest of each row's.
  var guesses: [Int32] = []

  /// Of the module of `folder`'s checkpoint.
  init(
    of folder: String, _ tokens: [Int32], threads: Int = 1, isa: InstructionSet = .best,
    weights: WeightPrecision = .auto
  ) throws {
    let one = try LoneDecoder(of: folder, tokenCount: tokens.count, threads: threads, isa: isa, weights: weights)
    try withExtendedLifetime(one) {
      let (decoder, batch) = (one.decoder, one.batch(tokens))
      _ = try decoder.forward(batch)
      let next = Array(tokens.dropFirst()) + [0]
      try next.withUnsafeBufferPointer { try decoder.predict(batch, next: $0.baseAddress!) }
      let rows = 0..<(tokens.count - 1)
      try decoder.predictions(ofRows: Array(rows), into: &guesses)
      let found = decoder.logits(ofRows: rows, ahead: true)
      hidden = Self.numbers(found.normed)
      logits = Self.numbers(found.logits)
    }
  }

  private static func numbers(_ rows: MatrixView<Float>) -> [Float] {
    (0..<rows.rowCount).flatMap { Array(UnsafeBufferPointer(start: rows[$0], count: rows.columns)) }
  }

  /// The token with the greatest logit of each row, of equals the lowest.
  static func greatest(_ logits: [Float], of vocabulary: Int) -> [Int32] {
    stride(from: 0, to: logits.count, by: vocabulary).map { row in
      Int32((0..<vocabulary).max { logits[row + $0] < logits[row + $1] } ?? 0)
    }
  }
}

/// A module in a file of `Tests/Fixtures/prediction`, and what a twin of it makes of a text.
struct PredictionFixture {
  let ids: [Int32]
  let logits: [Float]
  /// Nil where the twin does not tell.
  let hidden: [Float]?
  let tensors: [String: RewrittenCheckpoint.Tensor]

  init(_ name: String) throws {
    let file = try SafetensorsFile(path: Golden.fixtures.appending(path: "prediction/\(name).safetensors").path)
    func floats(_ name: String) throws -> [Float]? { try file.tensor(name).map { try file.float32s($0) } }
    ids = try file.tensor("ids").map { try file.int32s($0) } ?? []
    (logits, hidden) = (try floats("logits") ?? [], try floats("hidden"))
    var tensors: [String: RewrittenCheckpoint.Tensor] = [:]
    for entry in file.entries where entry.name.hasPrefix("mtp.") {
      tensors[entry.name] = .init(entry.type, entry.shape, try file.readAll(entry))
    }
    self.tensors = tensors
  }

  /// The checkpoint of the fixture of the same name with this in the place of what it has of a module, to be written.
  func checkpoint(_ golden: Golden) throws -> RewrittenCheckpoint {
    var whole = try RewrittenCheckpoint(golden)
    put(into: &whole)
    return whole
  }

  func put(into whole: inout RewrittenCheckpoint) {
    for name in whole.tensors.keys where name.hasPrefix("mtp.") { whole.tensors[name] = nil }
    whole.tensors.merge(tensors) { $1 }
  }
}
