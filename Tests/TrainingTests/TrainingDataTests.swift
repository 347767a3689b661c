import Machine
import TestSupport
import Testing
import Tokenization
import Training

/// What becomes of files of data.
@Suite struct TrainingDataTests {
  private let folder = TemporaryFolder()

  private func options(_ length: Int, _ packing: Packing = .packed, tokenizer: Tokenizer? = nil, end: Int32? = nil)
    -> TrainingData.Options
  {
    var options = TrainingData.Options(sequenceLength: length, seed: 1, vocabularySize: 4096, maximumPositions: 4096)
    (options.packing, options.tokenizer, options.endToken) = (packing, tokenizer, end)
    return options
  }

  /// All sequences in the files' order: tokens, and how many are predicted.
  private func sequences(_ data: TrainingData) throws -> [(tokens: [Int32], predicted: Int)] {
    try (0..<data.sequenceCount).map { try data.pieces(sequence: $0)[0] }
  }

  private func open(_ list: String, _ options: TrainingData.Options, pool: WorkerPool? = nil) throws -> TrainingData {
    try TrainingData(DataFile.list(list), options, pool: pool)
  }

  /// A `.npy` file as NumPy writes it.
  private func numpy(_ name: String, _ type: String, _ shape: String, _ bytes: [UInt8], order: String = "False")
    -> String
  {
    var header = "{'descr': '\(type)', 'fortran_order': \(order), 'shape': \(shape), }"
    header += String(repeating: " ", count: 63 - (header.utf8.count + 10) % 64) + "\n"
    let count = header.utf8.count
    return folder.write(
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(count & 255), UInt8(count >> 8)] + Array(header.utf8) + bytes,
      as: name)
  }

  private func bytes<T: FixedWidthInteger>(_ values: [T]) -> [UInt8] {
    values.flatMap { value in (0..<(T.bitWidth / 8)).map { UInt8(truncatingIfNeeded: value >> (8 * T($0))) } }
  }

  @Test func wholeDocumentsShareSequencesApart() throws {
    let path = folder.write(
      """
      {"token_ids": [1, 2, 3]}
      {"token_ids": [4, 5, 9]}
      {"token_ids": [6]}
      {"token_ids": [10, 11, 12, 13, 14, 15, 16, 17]}
      {"token_ids": [18]}
      """, as: "whole.jsonl")
    let data = try open(path, options(5, .whole, end: 9))
    // Rows of 3, 2 and 1; then 5 and 3 of a document that is longer than a sequence, and 1.
    #expect((0..<data.sequenceCount).map { data.rowCount(sequence: $0) } == [5, 1, 5, 4])
    let found = try (0..<data.sequenceCount).map { try data.pieces(sequence: $0) }
    #expect(found[0].map(\.tokens) == [[1, 2, 3, 9], [4, 5, 9]] && found[0].map(\.predicted) == [3, 2])
    #expect(found[1].map(\.tokens) == [[6, 9]])
    #expect(found[2].map(\.tokens) == [[10, 11, 12, 13, 14, 15]])
    #expect(found[3].map(\.tokens) == [[15, 16, 17, 9], [18, 9]])
    #expect(data.mostApart == 2)
    // In whichever order: what a place has is some sequence, and its rows are told of.
    let places = try (0..<data.sequenceCount).map { (data.rowCount(position: $0), try data.pieces(position: $0)) }
    #expect(places.allSatisfy { rows, pieces in rows == pieces.reduce(0) { $0 + $1.tokens.count - 1 } })
    #expect(
      places.map { $0.1.map(\.tokens) }.sorted { "\($0)" < "\($1)" }
        == found.map { $0.map(\.tokens) }.sorted { "\($0)" < "\($1)" })
    let cut = try open(path, options(5, .cut, end: 9))
    #expect(cut.fingerprint != data.fingerprint && cut.mostApart == 1)
    #expect(try cut.pieces(sequence: 0).map(\.predicted) == [3] && cut.rowCount(sequence: 0) == 5)
  }

  @Test func packedDocumentsFollowEachOther() throws {
    let path = folder.write(
      """
      {"token_ids": [1, 2, 3]}

      {"token_ids": [4, 5, 9], "source": "x"}
      {"token_ids": []}
      {"token_ids": [6]}
      """, as: "a.jsonl")
    let data = try open(path, options(3, end: 9))
    // 1 2 3 9 | 4 5 9 | 6 9: sequences overlap by one token, each of which is predicted once.
    #expect(data.tokenCount == 9 && data.leftOver == 2)
    let found = try sequences(data)
    #expect(found.map(\.tokens) == [[1, 2, 3, 9], [9, 4, 5, 9]] && found.map(\.predicted) == [3, 3])
  }

  @Test func cutDocumentsStandAlone() throws {
    let path = folder.write(
      """
      {"token_ids": [1, 2, 3, 4, 5, 6, 7, 8]}
      {"token_ids": [10]}
      {"token_ids": [11, 12]}
      """, as: "a.jsonl")
    let data = try open(path, options(3, .cut))
    let found = try sequences(data)
    #expect(found.map(\.tokens) == [[1, 2, 3, 4], [4, 5, 6, 7], [7, 8, 0, 0], [11, 12, 0, 0]])
    #expect(found.map(\.predicted) == [3, 3, 1, 1] && data.leftOver == 1)
  }

  @Test func filesWithoutWeightsAreOneStream() throws {
    let files = (0..<5).map { folder.write("{\"token_ids\": [\($0 * 2 + 1), \($0 * 2 + 2)]}", as: "\($0).jsonl") }
    let data = try open(files.joined(separator: ","), options(3))
    #expect(try sequences(data).map(\.tokens) == [[1, 2, 3, 4], [4, 5, 6, 7], [7, 8, 9, 10]])
    #expect(data.leftOver == 0 && data.memoryBytes == 40)
  }

  @Test func shardsOfEveryTypeHoldTheSameTokens() throws {
    let values = Array(0..<100)
    let files = [
      numpy("a.npy", "<u2", "(100,)", bytes(values.map { UInt16($0) })),
      numpy("b.npy", "<i4", "(100,)", bytes(values.map { Int32($0) })),
      numpy("c.npy", "<u4", "(100,)", bytes(values.map { UInt32($0) })),
      numpy("d.npy", "<i8", "(100,)", bytes(values.map { Int64($0) })),
    ]
    var fingerprints: Set<[UInt8]> = []
    for file in files {
      let data = try open(file, options(11))
      #expect(data.sequenceCount == 9 && data.memoryBytes == 0 && data.leftOver == 0)
      for (number, sequence) in try sequences(data).enumerated() {
        #expect(sequence.tokens == (0..<12).map { Int32(number * 11 + $0) } && sequence.predicted == 11)
      }
      fingerprints.insert(data.fingerprint)
    }
    #expect(fingerprints.count == 1)
  }

  @Test func rowsAreDocuments() throws {
    let path = numpy("rows.npy", "<u2", "(3, 5)", bytes((1...15).map { UInt16($0) }))
    let cut = try open(path, options(3, .cut))
    #expect(
      try sequences(cut).map(\.tokens) == [
        [1, 2, 3, 4], [4, 5, 0, 0], [6, 7, 8, 9], [9, 10, 0, 0], [11, 12, 13, 14], [14, 15, 0, 0],
      ])
    #expect(try open(path, options(7)).sequenceCount == 2)
  }

  @Test func safetensorsAreShards() throws {
    let header = "{\"tokens\":{\"dtype\":\"U16\",\"shape\":[2,4],\"data_offsets\":[0,16]}}"
    let padded = header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
    let path = folder.write(
      bytes([UInt64(padded.utf8.count)]) + Array(padded.utf8) + bytes((1...8).map { UInt16($0) }), as: "a.safetensors")
    #expect(try sequences(open(path, options(7))).map(\.tokens) == [[1, 2, 3, 4, 5, 6, 7, 8]])
    #expect(try sequences(open(path, options(3, .cut))).map(\.tokens) == [[1, 2, 3, 4], [5, 6, 7, 8]])
  }

  @Test func textIsTokenizedAndEnds() throws {
    let tokenizer = try Tokenizer(folder: TrainingFixtures.tokenizer)
    let text = "In the beginning God created the heaven and the earth.\nAnd the earth was without form.\n"
    let plain = folder.write(text, as: "a.txt")
    let json = folder.write(
      "{\"text\": \"One day.\"}\n{\"text\": \"\"}\n{\"text\": \"Another\\u0000 day.\"}", as: "b.jsonl")
    let start = try #require(tokenizer.bosToken.flatMap { tokenizer.id(of: $0) })
    let end = try #require(tokenizer.eosToken.flatMap { tokenizer.id(of: $0) })
    func ids(_ text: String) throws -> [Int32] {
      ([start] + (try tokenizer.encode(text, addSpecialTokens: false)) + [end]).map { Int32($0) }
    }
    let whole = try ids(text)
    let first = try sequences(open(plain, options(whole.count - 1, tokenizer: tokenizer)))
    #expect(first.map(\.tokens) == [whole])
    let documents = [try ids("One day."), try ids("Another\u{0} day.")]
    let pool = try WorkerPool(workerCount: 2)
    let second = try sequences(open(json, options(40, .cut, tokenizer: tokenizer), pool: pool))
    #expect(second.map { Array($0.tokens.prefix($0.predicted + 1)) } == documents)
  }

  @Test func folderIsItsFilesInTheOrderOfTheirNames() throws {
    for (i, name) in ["b.jsonl", "a.jsonl", ".hidden.jsonl", "c.md"].enumerated() {
      folder.write("{\"token_ids\": [\(i), \(i + 10)]}", as: name)
    }
    #expect(try sequences(open(folder.path, options(3))).map(\.tokens) == [[1, 11, 0, 10]])
  }

  @Test func mixturesTakeFromEachByItsWeight() throws {
    let a = folder.write("{\"token_ids\": [\((0..<400).map { "\($0 % 10)" }.joined(separator: ","))]}", as: "a.jsonl")
    let b = folder.write(
      "{\"token_ids\": [\((0..<400).map { "\(100 + $0 % 10)" }.joined(separator: ","))]}", as: "b=1.jsonl")
    let data = try open("\(a)=3,\(b)=1", options(7))
    var counts = [0, 0]
    for position in 0..<4096 {
      let (tokens, predicted) = try data.pieces(position: position)[0]
      #expect(predicted == 7 && tokens.count == 8)
      #expect(tokens.allSatisfy { ($0 < 100) == (tokens[0] < 100) })
      counts[tokens[0] < 100 ? 0 : 1] += 1
    }
    #expect(counts == [3072, 1024])
  }

  @Test func anyRankReadsTheSameWhateverItReadBefore() throws {
    let path = numpy("a.npy", "<u2", "(4000,)", bytes((0..<4000).map { UInt16($0) }))
    let (one, other) = (try open(path, options(9)), try open(path, options(9)))
    func read(_ data: TrainingData, _ position: Int) throws -> [Int32] { try data.pieces(position: position)[0].tokens }
    let forward = try (0..<1000).map { try read(one, $0) }
    for position in (0..<1000).reversed() { #expect(try read(other, position) == forward[position]) }
    #expect(one.fingerprint == other.fingerprint)
  }

  @Test func fingerprintsTellWhatDiffers() throws {
    func fingerprint(_ text: String, _ options: TrainingData.Options, weight: String = "") throws -> [UInt8] {
      try open(folder.write(text, as: "a.jsonl") + weight, options).fingerprint
    }
    let base = "{\"token_ids\": [1, 2, 3]}\n{\"token_ids\": [4, 5, 6, 7]}"
    let prints = [
      try fingerprint(base, options(3)), try fingerprint(base, options(2)), try fingerprint(base, options(3, .cut)),
      try fingerprint(base, options(3, end: 9)), try fingerprint(base.replacing("7", with: "8"), options(3)),
      try fingerprint("{\"token_ids\": [1, 2, 3, 4]}\n{\"token_ids\": [5, 6, 7]}", options(3)),
    ]
    #expect(Set(prints).count == prints.count)
    #expect(try fingerprint(base, options(3)) == prints[0])
    // Another place, another spelling: the same tokens.
    #expect(try fingerprint(base.replacing(" ", with: ""), options(3)) == prints[0])
  }
}
