import Checkpoints
import JSON
import TestSupport

@testable import Training

extension FuzzTarget {
  static let training = [tokenArray, documents, dataList, trainingState]

  private static func options(_ length: Int) -> TrainingData.Options {
    TrainingData.Options(sequenceLength: length, seed: 1, vocabularySize: 1000, maximumPositions: 64)
  }

  /// Every sequence of what was opened is one: as long as it says, inside the vocabulary.
  private static func check(_ data: TrainingData) throws {
    try hold(data.sequenceCount > 0 && data.tokenCount > 0, "data of nothing")
    for number in 0..<min(data.sequenceCount, 50) {
      let (tokens, predicted) = try data.pieces(position: number)[0]
      try hold(tokens.count == data.sequenceLength + 1, "\(tokens.count) tokens")
      try hold((1...data.sequenceLength).contains(predicted), "\(predicted) tokens of a sequence")
      try hold(tokens.allSatisfy { (0..<1000).contains($0) }, "tokens \(tokens)")
      try hold(data.origin(position: number).contains("document"), "no origin")
    }
  }

  private static func numpy(_ dictionary: String, _ data: [UInt8]) -> [UInt8] {
    let header = Array((dictionary + "\n").utf8)
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.count), 0] + header + data
  }

  private static let tokenArray = FuzzTarget(
    "token-array", inputs: 4000,
    pieces: [
      "'descr': '<i8'", "'<u2'", "(3, 4)", "(-1,)", "(99999999999999999999,)", "()", "True", "'shape': ", "{", "}", "(",
      ")", ",",
      ":", "\u{93}NUMPY", "'fortran_order'", "(4611686018427387904, 4)", "\n",
    ],
    seeds: {
      [
        numpy(
          "{'descr': '<u2', 'fortran_order': False, 'shape': (8,), }", (0..<16).map { UInt8($0 % 2 == 0 ? $0 : 0) }),
        numpy("{'descr': '<i4', 'fortran_order': False, 'shape': (2, 4), }", [UInt8](repeating: 0, count: 32)),
      ]
    },
    read: { bytes in
      let path = TemporaryFolder.ofProcess.write(bytes, as: "tokens.npy")
      try check(try TrainingData([DataFile(path: path)], options(3)))
    })

  private static let documents = FuzzTarget(
    "documents", inputs: 4000,
    pieces: jsonPieces + ["\"token_ids\":[", "\"text\":", "{\"token_ids\":[1,2,3]}\n", "999", "1000"],
    seeds: {
      [Array("{\"token_ids\": [1, 2, 3, 4]}\n\n{\"token_ids\": [5, 6], \"name\": \"x\"}\n{\"token_ids\": []}".utf8)]
    },
    read: { bytes in
      let path = TemporaryFolder.ofProcess.write(bytes, as: "documents.jsonl")
      var cut = options(3)
      cut.packing = .cut
      try check(try TrainingData([DataFile(path: path)], cut))
    })

  private static let dataList = FuzzTarget(
    "data-list", inputs: 4000, pieces: [",", "=", "=0.5", "nan", "inf", "-1", "1e999", "/", "..", "a.jsonl", "\u{0}"],
    seeds: { [Array("a.jsonl=0.6,b.txt=0.4".utf8), Array("a.npy,folder".utf8)] },
    read: { bytes in
      let files = try DataFile.list(String(decoding: bytes, as: UTF8.self))
      try hold(!files.isEmpty && files.allSatisfy { !$0.path.isEmpty }, "files without names")
      try hold(Set(files.map { $0.weight == nil }).count == 1, "weights of some files")
      try hold(files.allSatisfy { $0.weight.map { $0 > 0 && $0.isFinite } ?? true }, "weights that are none")
    })

  private static let trainingState = FuzzTarget(
    "training-state", inputs: 3000, pieces: jsonPieces + ["\"step\":", "\"shards\":[", "\"seed\":\"", "\"digest\":\""],
    seeds: {
      let record = StateRecord(
        step: 3, seed: 1, position: 9, tokenCount: 99, optimizer: .muon, dataFingerprint: [1, 2], recipe: [:],
        config: [:])
      return [Array(record.json.text().utf8)]
    },
    read: { bytes in
      let path = TemporaryFolder.ofProcess.write(bytes, as: "state.json")
      let record = try StateRecord(path: path)
      try hold(record.step == 3 && record.position == 9 && record.seed == 1, "another state")
    })
}
