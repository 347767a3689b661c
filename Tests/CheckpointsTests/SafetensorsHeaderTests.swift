import Checkpoints
import JSON
import TestSupport
import Testing

/// One file after another that lies about itself; each must be refused for the reason it deserves.
struct SafetensorsHeaderTests {
  let folder = TemporaryFolder()

  func open(_ bytes: [UInt8], limits: CheckpointLimits = CheckpointLimits()) throws(CheckpointError) -> SafetensorsFile
  {
    try SafetensorsFile(path: folder.write(bytes, as: "t.safetensors"), limits: limits)
  }

  func failure(_ header: String, data: Int = 0) -> CheckpointError? {
    CheckpointsTests.failure { () throws(CheckpointError) in try open(safetensors(header, dataByteCount: data)) }
  }

  func problem(_ header: String, data: Int = 0) -> CheckpointError.TensorProblem? {
    guard case .tensor(_, _, _, let problem) = failure(header, data: data) else { return nil }
    return problem
  }

  // MARK: What is accepted

  @Test func aPlainFileOpens() throws {
    let file = try open(
      safetensors(
        #"{"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[4,12]},"#
          + #""a\n\u00e9":{"data_offsets":[0,4],"shape":[ 2 ,2 ],"dtype":"U8"}, "e":{"dtype":"I64","shape":[3,0],"#
          + #""data_offsets":[12,12]},"s":{"dtype":"BF16","shape":[],"data_offsets":[12,14]}}   "#,
        dataByteCount: 14))
    #expect(file.entries.map(\.name) == ["a\n\u{E9}", "b", "e", "s"])
    #expect(file.metadata["format"]?.string == "pt")
    let entry = try #require(file.tensor("b"))
    #expect(entry.shape == [2, 1] && entry.byteCount == 8 && entry.elementCount == 2)
    #expect(try file.readAll(entry) == [4, 5, 6, 7, 8, 9, 10, 11])
    #expect(file.tensor("s")?.elementCount == 1)
    #expect(file.tensor("e")?.elementCount == 0)
    #expect(file.tensor("c") == nil)
  }

  @Test func namesAreComparedByTheirBytes() throws {
    let file = try open(
      safetensors(
        "{\"\u{E9}\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
          + "\"e\u{301}\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}", dataByteCount: 3))
    #expect(file.tensor("\u{E9}")?.byteCount == 1)
    #expect(file.tensor("e\u{301}")?.byteCount == 2)
  }

  @Test(arguments: ["{}", #"{"__metadata__":null}"#, #"{"__metadata__":{}}"#, "{}     "])
  func aFileWithoutTensorsOpens(header: String) throws {
    #expect(try open(safetensors(header, dataByteCount: 0)).entries.isEmpty)
  }

  @Test func eightDimensionsAreAccepted() throws {
    let header = #"{"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}"#
    #expect(try open(safetensors(header, dataByteCount: 1)).entries[0].shape.count == 8)
  }

  // MARK: The header's length

  @Test(arguments: 0..<8) func fewerThanEightBytesAreRefused(count: Int) {
    #expect(throws: CheckpointError.self) { try open([UInt8](repeating: 1, count: count)) }
  }

  @Test(arguments: [
    64 << 20 | 1, 100_000_001, 1 << 31, 1 << 32, 1 << 62, UInt64(Int64.max), 1 << 63, UInt64.max - 7, .max,
  ])
  func aHugeHeaderIsRefusedUnread(declared: UInt64) {
    let error = CheckpointsTests.failure { () throws(CheckpointError) in
      try open(safetensors("{}", dataByteCount: 0, declared: declared))
    }
    guard case .headerTooLong(_, declared, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test(arguments: [3, 4, 1000, 64 << 20] as [UInt64]) func aHeaderPastTheFileIsRefused(declared: UInt64) {
    let error = CheckpointsTests.failure { () throws(CheckpointError) in
      try open(safetensors("{}", dataByteCount: 0, declared: declared))
    }
    guard case .headerPastEnd = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  // MARK: Syntax

  @Test(arguments: [
    "", " ", "[]", "{", "{\"", " {}", "\n{}", "\u{FEFF}{}", "{}\n", "{}\t", "{}\u{0}", "{}}", "{} {}", "{}x", "{,}",
    "null",
    #"{"a":["U8",[1],[0,1]]}"#, #"{"a":null}"#, #"{"a":1}"#, #"{"__metadata__":{"a":1}}"#, #"{"__metadata__":[]}"#,
    #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},}"#,
    #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],}}"#,
    #"{"a":{"dtype":"U8","shape":[1,],"data_offsets":[0,1]}}"#, #"{"a":{"dtype":8,"shape":[1],"data_offsets":[0,1]}}"#,
    #"{"a":{"dtype":"U8","shape":1,"data_offsets":[0,1]}}"#,
    #"{"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}}"#,
    #"{"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}"#,
    #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[1]}}"#,
    #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}}"#,
    #"{"a":{"dtype":"U8","shape":null,"data_offsets":[0,1]}}"#,
    #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#, "{'a':{}}", #"{"a" {}}"#,
  ])
  func anythingButTheTableIsRefused(header: String) {
    #expect(failure(header, data: 1) != nil)
    if case .wrongFileSize = failure(header, data: 1) { Issue.record("refused for its size only") }
  }

  @Test(arguments: [
    "1.0", "1e0", "1E0", "-0", "-1", "+1", "01", "00", "1.", "0x1", "9223372036854775808", "1_0", "", "true",
  ])
  func numbersThatAreNotPlainIntegersAreRefused(number: String) {
    for header in [
      #"{"a":{"dtype":"U8","shape":[\#(number)],"data_offsets":[0,1]}}"#,
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,\#(number)]}}"#,
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[\#(number),1]}}"#,
    ] where header != #"{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}"# {
      guard case .syntax = failure(header, data: 1) else {
        Issue.record("\(header): \(String(describing: failure(header, data: 1)))")
        continue
      }
    }
  }

  @Test func badTextIsRefused() {
    let tail = Array(#"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#.utf8)
    let names: [[UInt8]] = [
      [0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x0A], [0x00],
      Array(#"\ud800"#.utf8),
      Array(#"\udc00\ud800"#.utf8), Array(#"\x"#.utf8), Array(#"\u12"#.utf8), Array(#"\"#.utf8),
      [0x61, 0x5C, 0x6E, 0xFF],
    ]
    for name in names {
      let bytes = safetensors(Array("{\"".utf8) + name + tail, dataByteCount: 1)
      #expect(throws: CheckpointError.self, "\(name)") { try open(bytes) }
    }
  }

  @Test func deepNestingIsRefusedWithoutRecursion() {
    for open in ["[", "{\"a\":"] {
      let nest = String(repeating: open, count: 200_000)
      #expect(failure("{\"a\":" + nest) != nil)
      #expect(failure("{\"__metadata__\":" + nest) != nil)
      #expect(failure(#"{"a":{"dtype":"U8","shape":\#(nest)"#) != nil)
      #expect(failure(#"{"a":{"dtype":\#(nest)"#) != nil)
    }
  }

  // MARK: Entries

  @Test func aRepeatedNameIsRefused() {
    let entry = #"{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#
    let other = #"{"dtype":"U8","shape":[2],"data_offsets":[0,2]}"#
    for header in [
      #"{"a":\#(entry),"a":\#(other)}"#, #"{"a":\#(entry),"\u0061":\#(entry)}"#,
      #"{"__metadata__":{},"__metadata__":{}}"#, #"{"__metadata__":null,"a":\#(entry),"__metadata__":{}}"#,
    ] {
      guard case .duplicateName = failure(header, data: 2) else {
        Issue.record("\(header): \(String(describing: failure(header, data: 2)))")
        continue
      }
    }
    #expect(failure(#"{"__metadata__":{"a":"1","a":"2"}}"#) != nil)
  }

  @Test func oddEntriesAreRefusedEachForItsReason() {
    typealias Problem = CheckpointError.TensorProblem
    let max = "9223372036854775807"
    let cases: [(String, Problem)] = [
      (#""":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#, .emptyName),
      (#""a":{"dtype":"u8","shape":[1],"data_offsets":[0,1]}"#, .unknownType("u8")),
      (#""a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}"#, .sizeOverflows),
      (#""a":{"dtype":"Q8_0","shape":[32],"data_offsets":[0,34]}"#, .unknownType("Q8_0")),
      (#""a":{"dtype":"F5","shape":[3],"data_offsets":[0,1]}"#, .unknownType("F5")),
      (#""a":{"dtype":"","shape":[1],"data_offsets":[0,1]}"#, .unknownType("")),
      (#""a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}"#, .repeatedField("dtype")),
      (#""a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}"#, .repeatedField("shape")),
      (#""a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"data_offsets":[0,1]}"#, .repeatedField("data_offsets")),
      (#""a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":0}"#, .unknownField("x")),
      (#""a":{"shape":[1],"data_offsets":[0,1]}"#, .missingField("dtype")),
      (#""a":{"dtype":"U8","data_offsets":[0,1]}"#, .missingField("shape")),
      (#""a":{"dtype":"U8","shape":[1]}"#, .missingField("data_offsets")),
      (#""a":{}"#, .missingField("dtype")),
      (#""a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}"#, .tooManyDimensions(limit: 8)),
      (#""a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}"#, .offsetsReversed(begin: 1, end: 0)),
      (#""a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}"#, .pastEnd(end: 2, dataByteCount: 1)),
      (#""a":{"dtype":"U8","shape":[\#(max)],"data_offsets":[0,\#(max)]}"#, .pastEnd(end: .max, dataByteCount: 1)),
      (#""a":{"dtype":"U8","shape":[\#(max)],"data_offsets":[0,1]}"#, .dimensionTooLarge(.max, limit: 1 << 40)),
      (#""a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,1]}"#, .sizeOverflows),
      (#""a":{"dtype":"F64","shape":[1099511627776,2097152],"data_offsets":[0,0]}"#, .sizeOverflows),
      (#""a":{"dtype":"U8","shape":[0],"data_offsets":[0,1]}"#, .sizeMismatch(shapeByteCount: 0, offsetsByteCount: 1)),
      (#""a":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}"#, .sizeMismatch(shapeByteCount: 2, offsetsByteCount: 1)),
      (#""a":{"dtype":"F16","shape":[],"data_offsets":[0,1]}"#, .sizeMismatch(shapeByteCount: 2, offsetsByteCount: 1)),
    ]
    for (entry, expected) in cases { #expect(problem("{\(entry)}", data: 1) == expected, "\(entry)") }
    let ones = [String](repeating: "1", count: 65).joined(separator: ",")
    #expect(problem(#"{"a":{"dtype":"U8","shape":[\#(ones)],"data_offsets":[0,1]}}"#) == .tooManyDimensions(limit: 8))
    let name = String(repeating: "n", count: 1025)
    #expect(problem(#"{"\#(name)":{}}"#) == .nameTooLong(byteCount: 1025, limit: 1024))
  }

  @Test func aZeroDimensionExcusesNothingInAnyOrder() {
    let unsigned = "18446744073709551615"
    for huge in [unsigned, "9223372036854775807", "1099511627777", "1099511627776"] {
      var refusals: Set<String> = []
      for shape in [[huge, huge, "0"], ["0", huge, huge], [huge, "0", huge]] {
        let error = failure(#"{"a":{"dtype":"U8","shape":[\#(shape.joined(separator: ","))],"data_offsets":[0,0]}}"#)
        switch error {
        case .tensor(_, _, _, let problem): refusals.insert("\(problem)")
        case .syntax(_, _, _, let expected): refusals.insert(expected)
        default: Issue.record("\(shape): \(String(describing: error))")
        }
      }
      #expect(refusals.count == 1, "\(refusals)")
    }
  }

  @Test func theLargestDimensionIsStillAccepted() {
    #expect(failure(#"{"a":{"dtype":"U8","shape":[1099511627776,0],"data_offsets":[0,0]}}"#) == nil)
    #expect(
      problem(#"{"a":{"dtype":"U8","shape":[1099511627777,0],"data_offsets":[0,0]}}"#)
        == .dimensionTooLarge(1_099_511_627_777, limit: 1 << 40))
  }

  // MARK: The data's layout

  @Test func everyDataByteBelongsToExactlyOneTensor() {
    func two(_ a: (Int, Int), _ b: (Int, Int)) -> String {
      #"{"a":{"dtype":"U8","shape":[\#(a.1 - a.0)],"data_offsets":[\#(a.0),\#(a.1)]},"#
        + #""b":{"dtype":"U8","shape":[\#(b.1 - b.0)],"data_offsets":[\#(b.0),\#(b.1)]}}"#
    }
    #expect(failure(two((0, 2), (2, 4)), data: 4) == nil)
    #expect(failure(two((2, 4), (0, 2)), data: 4) == nil)
    guard case .gap(_, "b", 3, 2) = failure(two((0, 2), (3, 4)), data: 4) else { return #expect(Bool(false), "hole") }
    guard case .gap(_, "a", 1, 0) = failure(two((1, 2), (2, 4)), data: 4) else { return #expect(Bool(false), "start") }
    guard case .overlap(_, "b", 1, 2) = failure(two((0, 2), (1, 4)), data: 4) else {
      return #expect(Bool(false), "over")
    }
    guard case .overlap = failure(two((0, 4), (0, 4)), data: 4) else { return #expect(Bool(false), "twice") }
    guard case .overlap = failure(two((0, 4), (2, 2)), data: 4) else { return #expect(Bool(false), "empty inside") }
    guard case .wrongFileSize = failure(two((0, 2), (2, 4)), data: 5) else { return #expect(Bool(false), "long") }
    guard case .tensor(_, _, "b", .pastEnd) = failure(two((0, 2), (2, 4)), data: 3) else {
      return #expect(Bool(false), "short")
    }
    guard case .wrongFileSize = failure("{}", data: 1) else { return #expect(Bool(false), "no tensors") }
  }

  // MARK: Counts

  @Test func tensorsAndMetadataAreCapped() {
    var limits = CheckpointLimits()
    limits.tensorCount = 2
    limits.metadataByteCount = 8
    limits.headerByteCount = 1000
    limits.fileByteCount = 2000
    func refused(_ bytes: [UInt8]) -> CheckpointError? {
      CheckpointsTests.failure { () throws(CheckpointError) in try open(bytes, limits: limits) }
    }
    #expect(refused(shard(["a", "b"])) == nil)
    guard case .tooMany(_, "tensors", 2) = refused(shard(["a", "b", "c"])) else { return #expect(Bool(false)) }
    guard case .json(_, _, .tooLarge) = refused(safetensors(#"{"__metadata__":{"a":"12345"}}"#, dataByteCount: 0))
    else {
      return #expect(Bool(false))
    }
    guard case .tooLarge(_, 2001, 2000) = refused([UInt8](repeating: 0, count: 2001)) else {
      return #expect(Bool(false))
    }
    guard case .headerTooLong = refused(safetensors("{}" + String(repeating: " ", count: 999), dataByteCount: 0)) else {
      return #expect(Bool(false))
    }
  }

  @Test func messagesAreOneLineWhateverTheFileSays() {
    for header in [
      #"{"a\n\u001b[31m":{}}"#, #"{"\#(String(repeating: "x", count: 900))":{}}"#, "\n", #"{"a":{"dtype":"\u0007"}}"#,
    ] {
      let text = failure(header)?.description ?? ""
      #expect(text.utf8.allSatisfy { $0 >= 0x20 } && text.utf8.count < 600 && text.contains("t.safetensors"), "\(text)")
    }
  }
}
