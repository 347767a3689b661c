import Checkpoints
import Glibc
import JSON
import Tensors
import TestSupport
import Testing

struct SafetensorsWriterTests {
  let folder = TemporaryFolder()
  var path: String { folder.path + "/out.safetensors" }

  @Test func whatIsWrittenIsRead() throws {
    let writer = try SafetensorsWriter(
      path: path,
      tensors: [
        .init("bytes", .uint8, [3]), .init("logits\n\u{E9}\"\\", .float32, [2, 3]), .init("empty", .bfloat16, [0, 5]),
        .init("tokens", .int32, [2]), .init("scalar", .int64, []), .init("halves", .bfloat16, [1, 1, 1]),
      ], metadata: [("format", "pt"), ("note", "line\nbreak")])
    try writer.append("tokens", [Int32(-7)])
    try writer.append("logits\n\u{E9}\"\\", [Float](arrayLiteral: 1, -2, .pi, 0, 5))
    try writer.append("bytes", [1, 2, 3] as [UInt8])
    try writer.append("halves", [UInt16(0x3F80)])
    try writer.append("tokens", [Int32.max])
    try writer.append("scalar", [Int64(42)])
    try writer.append("logits\n\u{E9}\"\\", [Float.leastNonzeroMagnitude])
    try writer.append("empty", [] as [UInt8])
    #expect(folder.names.count == 1 && folder.names[0] != "out.safetensors")
    try writer.finish()
    #expect(folder.names == ["out.safetensors"])

    let file = try SafetensorsFile(path: path)
    #expect(file.metadata["note"]?.string == "line\nbreak" && file.entries.count == 6)
    for entry in file.entries { #expect(entry.byteOffset % entry.type.byteCount == 0) }
    let logits = try #require(file.tensor("logits\n\u{E9}\"\\"))
    #expect(logits.shape == [2, 3])
    #expect(try file.float32s(logits) == [1, -2, .pi, 0, 5, .leastNonzeroMagnitude])
    #expect(try file.int32s(try #require(file.tensor("tokens"))) == [-7, .max])
    #expect(try file.readAll(try #require(file.tensor("bytes"))) == [1, 2, 3])
    #expect(try file.readAll(try #require(file.tensor("scalar"))) == [42, 0, 0, 0, 0, 0, 0, 0])
    #expect(try file.float32s(try #require(file.tensor("halves"))) == [1])
    #expect(file.tensor("empty")?.shape == [0, 5])
  }

  @Test(arguments: 0..<24) func headersOfEveryLengthArePaddedToEightBytes(count: Int) throws {
    let name = String(repeating: "n", count: count + 1)
    let writer = try SafetensorsWriter(path: path, tensors: [.init(name, .float64, [1])])
    try writer.append(name, [1.5])
    try writer.finish()
    let file = try SafetensorsFile(path: path)
    #expect(file.entries[0].byteOffset % 8 == 0 && file.byteCount == file.entries[0].byteOffset + 8)
  }

  @Test func mistakesAreRefused() throws {
    func failure(_ body: () throws(CheckpointError) -> Void) -> CheckpointError.WritingProblem? {
      guard case .writing(_, _, let problem) = CheckpointsTests.failure(of: body) else { return nil }
      return problem
    }
    for tensor in [
      SafetensorsWriter.Declaration("", .uint8, [1]), .init("__metadata__", .uint8, [1]), .init("a", .uint8, [-1]),
      .init("a", .uint8, [1, 1, 1, 1, 1, 1, 1, 1, 1]), .init("a", .float32, [1 << 40, 1 << 40]),
      .init("a", .uint8, [.max]),
    ] {
      #expect(
        failure { () throws(CheckpointError) in _ = try SafetensorsWriter(path: path, tensors: [tensor]) } == .badShape)
    }
    let twice = failure { () throws(CheckpointError) in
      _ = try SafetensorsWriter(path: path, tensors: [.init("a", .uint8, [1]), .init("a", .int8, [1])])
    }
    #expect(twice == .declaredTwice)
    let writer = try SafetensorsWriter(path: path, tensors: [.init("a", .uint8, [2])])
    #expect(failure { () throws(CheckpointError) in try writer.append("b", [UInt8(1)]) } == .undeclared)
    #expect(
      failure { () throws(CheckpointError) in try writer.append("a", [1, 2, 3] as [UInt8]) }
        == .tooManyBytes(declared: 2))
    try writer.append("a", [UInt8(1)])
    #expect(failure { () throws(CheckpointError) in try writer.finish() } == .unfinished(written: 1, declared: 2))
    try writer.append("a", [UInt8(2)])
    try writer.finish()
    #expect(failure { () throws(CheckpointError) in try writer.finish() } == .alreadyFinished)
    #expect(failure { () throws(CheckpointError) in try writer.append("a", [UInt8(2)]) } == .alreadyFinished)
  }

  @Test func anUnfinishedFileLeavesNothingAndReplacesNothing() throws {
    folder.write("old", as: "out.safetensors")
    do {
      let writer = try SafetensorsWriter(path: path, tensors: [.init("a", .uint8, [2])])
      try writer.append("a", [UInt8(1)])
      #expect(folder.names.count == 2)
    }
    #expect(folder.names == ["out.safetensors"])
    #expect(throws: CheckpointError.self) { try SafetensorsFile(path: path) }
  }

  @Test func twoWritersOfOneNameDoNotMix() throws {
    let writers = try (0..<2).map { _ in try SafetensorsWriter(path: path, tensors: [.init("a", .uint8, [1])]) }
    for (i, writer) in writers.enumerated() { try writer.append("a", [UInt8(i + 1)]) }
    for (i, writer) in writers.enumerated() {
      try writer.finish()
      let file = try SafetensorsFile(path: path)
      #expect(try file.readAll(file.entries[0]) == [UInt8(i + 1)])
    }
  }

  @Test func aFolderThatDoesNotExistIsNamed() {
    let path = folder.path + "/none/out.safetensors"
    let error = failure { () throws(CheckpointError) in try SafetensorsWriter(path: path, tensors: []) }
    guard case .system("create", let named, ENOENT) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(named.hasPrefix(path))
  }
}
