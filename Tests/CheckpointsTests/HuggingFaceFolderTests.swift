import Checkpoints
import Glibc
import JSON
import Synchronization
import Tensors
import TestSupport
import Testing

/// The committed models, and what reading them gives.
struct HuggingFaceFolderTests {
  static let models =
    Repository.folders(in: "Tests/Fixtures/goldens").map { "Tests/Fixtures/goldens/" + $0 }
    + ["Sources/Model/DemoModel/demo-model"]

  @Test func thereAreModelsToTest() { #expect(Self.models.count >= 16) }

  @Test(arguments: models) func aPublishedFolderOpensAndCanBeReadWhole(model: String) throws {
    let checkpoint = try HuggingFaceFolder(path: Repository.root + "/" + model)
    #expect(checkpoint.entries.count > 30 && checkpoint.names.contains("model.embed_tokens.weight"))
    #expect(checkpoint.config["model_type"]?.string != nil && checkpoint.generationConfig != nil)
    #expect(try checkpoint.settings().int("num_hidden_layers", in: 1...1000) > 0)
    var byteCount = 0
    for entry in checkpoint.entries {
      #expect(checkpoint.tensor(entry.name) == entry)
      #expect(entry.byteCount == entry.shape.reduce(1, *) * entry.type.byteCount)
      let bytes = try checkpoint.readAll(entry)
      byteCount += bytes.count
      if [.float32, .bfloat16, .float16].contains(entry.type) {
        #expect(try checkpoint.float32s(entry).count == entry.elementCount)
        byteCount += bytes.count
      }
    }
    #expect(checkpoint.bytesRead == byteCount)
    #expect(checkpoint.totalByteCount == checkpoint.entries.reduce(0) { $0 + $1.byteCount })
    if let declared = checkpoint.declaredByteCount { #expect(declared == checkpoint.totalByteCount) }
    try checkpoint.checkUnchanged()
  }

  @Test func goldensOpenAsFiles() throws {
    let path = Repository.root + "/Tests/Fixtures/goldens/qwen3_moe/goldens.safetensors"
    let file = try SafetensorsFile(path: path)
    #expect(file.entries.contains { $0.type == .int32 })
    for entry in file.entries where entry.type == .int32 {
      #expect(try file.int32s(entry).count == entry.elementCount)
    }
  }

  @Test func theFingerprintTellsFoldersApart() throws {
    let fingerprints = try Self.models.map { try HuggingFaceFolder(path: Repository.root + "/" + $0).fingerprint }
    #expect(Set(fingerprints).count == Self.models.count)
    #expect(fingerprints.allSatisfy { $0.count == 32 })
  }

  @Test func theFingerprintDependsOnEveryPartButThePath() throws {
    func fingerprint(_ change: (TemporaryFolder) -> Void) throws -> [UInt8] {
      try withTemporaryFolder { folder in
        folder.write("{}", as: "config.json")
        folder.write(shard(["a"]), as: "m.safetensors")
        folder.write(#"{"weight_map":{"a":"m.safetensors"}}"#, as: "model.safetensors.index.json")
        change(folder)
        return try HuggingFaceFolder(path: folder.path).fingerprint
      }
    }
    let all = try [
      fingerprint { _ in },
      fingerprint { $0.write("{ }", as: "config.json") },
      fingerprint { $0.write("{}", as: "generation_config.json") },
      fingerprint { $0.write(#"{"weight_map":{"a":"m.safetensors"}} "#, as: "model.safetensors.index.json") },
      fingerprint {
        $0.write(
          safetensors(#"{"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}"#, dataByteCount: 1), as: "m.safetensors")
      },
      fingerprint { $0.write(shard(["a"]), as: "model.safetensors") },
    ]
    #expect(Set(all).count == all.count)
    #expect(try fingerprint { _ in } == all[0])
  }

  @Test func manyTensorsOpenInLinearTime() throws {
    try withTemporaryFolder { folder in
      folder.write("{}", as: "config.json")
      var map: [String] = []
      for number in 0..<40 {
        let names = (0..<500).map { "model.layers.\(number).mlp.experts.\($0).down_proj.weight" }
        folder.write(shard(names), as: "model-\(number).safetensors")
        map += names.map { "\"\($0)\":\"model-\(number).safetensors\"" }
      }
      folder.write("{\"weight_map\":{" + map.joined(separator: ",") + "}}", as: "model.safetensors.index.json")
      var opened: HuggingFaceFolder?
      let seconds = try threadSeconds { opened = try HuggingFaceFolder(path: folder.path) }
      #expect(seconds < 60)
      let checkpoint = try #require(opened)
      #expect(checkpoint.entries.count == 20_000 && checkpoint.fileCount == 40)
      #expect(checkpoint.tensor("model.layers.39.mlp.experts.499.down_proj.weight")?.fileIndex == 39)
    }
  }

  // MARK: Reading

  @Test func rangesAreReadExactlyAndOnlyInsideTheirTensor() throws {
    try withTemporaryFolder { folder in
      let header =
        #"{"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]},"b":{"dtype":"U8","shape":[5],"data_offsets":[5,10]}}"#
      let file = try SafetensorsFile(path: folder.write(safetensors(header, dataByteCount: 10), as: "m.safetensors"))
      let entry = try #require(file.tensor("b"))
      for lower in 0...5 {
        for upper in lower...5 {
          var buffer = [UInt8](repeating: 0xEE, count: 8)
          try buffer.withUnsafeMutableBytes { try file.read(entry, bytes: lower..<upper, into: $0) }
          #expect(
            buffer == (lower..<upper).map { UInt8($0 + 5) } + [UInt8](repeating: 0xEE, count: 8 - (upper - lower)))
        }
      }
      var small = [UInt8](repeating: 0, count: 2)
      for range in [-1..<1, 0..<6, 5..<6, 6..<6, Int.min..<Int.max, 0..<Int.max] {
        let error = small.withUnsafeMutableBytes { buffer in
          failure { () throws(CheckpointError) in try file.read(entry, bytes: range, into: buffer) }
        }
        #expect(error == .rangeOutsideTensor(path: file.path, name: "b", range: range, byteCount: 5))
      }
      let error = small.withUnsafeMutableBytes { buffer in
        failure { () throws(CheckpointError) in try file.read(entry, bytes: 0..<3, into: buffer) }
      }
      #expect(error == .bufferTooSmall(name: "b", byteCount: 2, needed: 3))
      for offset in [-1, Int.min, Int.max, 1 << 40, 1000] {
        #expect(throws: CheckpointError.self) {
          try small.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
        }
      }
    }
  }

  @Test func aFileThatShrinksWhileOpenGivesAnErrorNotASignal() throws {
    try withTemporaryFolder { folder in
      let path = folder.write(shard(["a", "b", "c"]), as: "m.safetensors")
      let file = try SafetensorsFile(path: path)
      try file.checkUnchanged()
      #expect(truncate(path, off_t(file.byteCount - 2)) == 0)
      #expect(try file.readAll(try #require(file.tensor("a"))) == [0])
      let error = failure { () throws(CheckpointError) in try file.readAll(file.entries[1]) }
      #expect(error == .endedEarly(path: path, byte: file.byteCount - 2, byteCount: file.byteCount))
      #expect(failure { () throws(CheckpointError) in try file.checkUnchanged() } == .changedSinceOpened(path: path))
    }
  }

  @Test func aReplacedFileIsStillReadAsOpened() throws {
    try withTemporaryFolder { folder in
      let path = folder.write(shard(["a"]), as: "m.safetensors")
      let file = try SafetensorsFile(path: path)
      unlink(path)
      folder.write("something else altogether", as: "m.safetensors")
      #expect(try file.readAll(file.entries[0]) == [0])
    }
  }

  @Test func threadsReadAtTheSameTime() async throws {
    let path = Repository.root + "/Tests/Fixtures/goldens/llama"
    let checkpoint = try HuggingFaceFolder(path: path)
    let expected = try checkpoint.entries.map { try checkpoint.readAll($0) }
    let before = checkpoint.bytesRead
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for _ in 0..<8 {
        group.addTask {
          try checkpoint.entries.indices.allSatisfy { try checkpoint.readAll(checkpoint.entries[$0]) == expected[$0] }
        }
      }
      for try await same in group { #expect(same) }
    }
    #expect(checkpoint.bytesRead - before == 8 * checkpoint.totalByteCount)
  }

  // MARK: Conversion

  /// The open file of one tensor `w` with the given bytes.
  func tensor(_ type: ElementType, _ bytes: [UInt8]) throws -> SafetensorsFile {
    try withTemporaryFolder { folder in
      let path = folder.file("w.safetensors")
      let writer = try SafetensorsWriter(path: path, tensors: [.init("w", type, [bytes.count / type.byteCount])])
      try writer.append("w", bytes)
      try writer.finish()
      return try SafetensorsFile(path: path)
    }
  }

  @Test func everyHalfPrecisionNumberIsExact() throws {
    let patterns = (0...UInt16.max).flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    let halves = try tensor(.float16, patterns)
    let values = try halves.float32s(halves.entries[0], finite: false)
    for (pattern, value) in values.enumerated() {
      let (exponent, fraction) = (pattern >> 10 & 31, pattern & 1023)
      let magnitude: Double =
        switch exponent {
        case 0: Double(fraction) * 0x1p-24
        case 31: fraction == 0 ? .infinity : .nan
        default: Double(1024 + fraction) * Double(sign: .plus, exponent: exponent - 25, significand: 1)
        }
      let expected = Float(pattern >> 15 == 1 ? -magnitude : magnitude)
      if expected.isNaN {
        #expect(value.isNaN)
      } else if value.bitPattern != expected.bitPattern {
        Issue.record("\(pattern)")
      }
    }
    let brains = try tensor(.bfloat16, patterns)
    let wide = try brains.float32s(brains.entries[0], finite: false)
    #expect(wide.indices.allSatisfy { wide[$0].bitPattern == UInt32($0) << 16 })
  }

  @Test func damagedWeightsAreNamed() throws {
    for (bits, finite) in [(0x7F80_0000, false), (0xFF80_0000, false), (0x7FC0_0001, false), (0x7F7F_FFFF, true)] {
      let bytes = [Float(1), Float(bitPattern: UInt32(bits))].flatMap { value in
        (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32($0))) }
      }
      let file = try tensor(.float32, bytes)
      let entry = file.entries[0]
      let error = failure { () throws(CheckpointError) in try file.float32s(entry) }
      #expect(error == (finite ? nil : .notFinite(path: file.path, name: "w", element: 1, byte: entry.byteOffset + 4)))
      #expect(try file.float32s(entry, finite: false)[1].bitPattern == UInt32(bits))
    }
  }

  @Test(arguments: ElementType.allCases.filter { $0.block.length == 1 }) func onlyFloatingPointTypesBecomeFloats(
    type: ElementType
  ) throws {
    let file = try tensor(type, [UInt8](repeating: 0, count: 2 * type.byteCount))
    if [.float32, .float16, .bfloat16].contains(type) {
      #expect(try file.float32s(file.entries[0]) == [0, 0])
    } else {
      let error = failure { () throws(CheckpointError) in try file.float32s(file.entries[0]) }
      #expect(error == .notConvertible(path: file.path, name: "w", type: type.rawValue, to: "fp32"))
    }
    #expect((failure { () throws(CheckpointError) in try file.int32s(file.entries[0]) } == nil) == (type == .int32))
  }
}
