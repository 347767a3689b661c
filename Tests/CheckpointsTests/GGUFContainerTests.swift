import Checkpoints
import Glibc
import JSON
import TestSupport
import Testing

/// GGUF files that are damaged or hostile, one for each way: a problem in words, never a trap.
struct GGUFContainerTests {
  let folder = TemporaryFolder()

  private func problem(_ file: GGUFBytes, name: String = "m.gguf") -> GGUFProblem? { problem(file.bytes, name: name) }

  private func problem(_ bytes: [UInt8], name: String = "m.gguf") -> GGUFProblem? {
    let path = folder.write(bytes, as: name)
    let error = failure { () throws(CheckpointError) in try CheckpointFormat.open(path) }
    guard case .gguf(let file, _, let problem) = error else {
      if let error { Issue.record("\(error)") }
      return nil
    }
    #expect(file == path && error?.description.isEmpty == false)
    return problem
  }

  private func changed(_ change: (inout GGUFBytes) -> Void) -> GGUFBytes {
    var file = GGUFBytes.tinyLlama
    change(&file)
    return file
  }

  @Test func aWellFormedFileOpens() throws {
    for version: UInt32 in [2, 3] {
      let path = folder.write(changed { $0.version = version }.bytes, as: "m.gguf")
      let model = try CheckpointFormat.open(path)
      #expect(model.fileCount == 1 && model.entries.count == 11 && CheckpointFormat.format(of: path).name == "GGUF")
      #expect(model.config["model_type"]?.string == "llama" && model.config["hidden_size"]?.exactInt == 8)
      // What is short in 32 bits is written so.
      #expect(model.config["rms_norm_eps"]?.number?.text == "1e-05")
      #expect(model.config["tie_word_embeddings"]?.bool == true)
    }
  }

  // MARK: The beginning

  @Test func otherFilesAreTold() {
    #expect(problem(changed { $0.magic = Array("GGML".utf8) }) == .notGGUF)
    #expect(problem(changed { $0.magic = Array("FUGG".utf8) }) == .bigEndian)
    // As a machine of the other byte order writes version 3.
    #expect(problem(changed { $0.version = 0x0300_0000 }) == .bigEndian)
    for version: UInt32 in [0, 1, 4, .max] { #expect(problem(changed { $0.version = version }) == .version(version)) }
    #expect(problem([]) == .endsInside("its first bytes"))
    let pointer = folder.write("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", as: "p.gguf")
    #expect(
      failure { () throws(CheckpointError) in try CheckpointFormat.open(pointer) } == .gitLFSPointer(path: pointer))
  }

  @Test(arguments: [UInt64.max, 1 << 63, 1 << 40]) func countsBeyondReasonAreRefused(count: UInt64) {
    #expect(problem(changed { $0.tensorCount = count }) == .tooMany("tensors", found: count, limit: 1 << 20))
    #expect(problem(changed { $0.keyCount = count }) == .tooMany("keys", found: count, limit: 1 << 16))
  }

  @Test func countsBeyondTheFileAreRefused() {
    #expect(problem(changed { $0.tensorCount = 1 << 19 }) == .endsInside("tensors, of which it declares 524288"))
    #expect(problem(changed { $0.keyCount = 60_000 }) == .endsInside("keys, of which it declares 60000"))
  }

  @Test func aFileCutShortAnywhereIsRefused() {
    let bytes = GGUFBytes.tinyLlama.bytes
    for count in 0..<bytes.count where count % 7 == 0 || count > bytes.count - 5 {
      let found = problem(Array(bytes[..<count]))
      switch found {
      case .endsInside?, .pastEnd?: break
      default: Issue.record("cut to \(count) bytes: \(String(describing: found))")
      }
    }
  }

  // MARK: Keys

  @Test func namesOfKeysAreChecked() {
    #expect(problem(changed { $0.keys.append(("", .bool(true))) }) == .emptyName("a key"))
    #expect(
      problem(changed { $0.keys.append((String(repeating: "k", count: 1025), .bool(true))) })
        == .nameTooLong("a key", byteCount: 1025, limit: 1024))
    #expect(
      problem(changed { $0.keys.append(("llama.block_count", .uint32(1))) })
        == .repeated("the key", name: "llama.block_count"))
  }

  @Test func valuesOfUnknownTypesAndLengthsAreRefused() {
    #expect(problem(changed { $0["x"] = .raw(13, []) }) == .valueType(key: "x", type: 13))
    #expect(problem(changed { $0["x"] = .raw(7, [2]) }) == .notBoolean(key: "x", byte: 2))
    #expect(problem(changed { $0["x"] = .raw(8, GGUFBytes.little(UInt64.max)) }) == .endsInside("\"x\""))
    #expect(problem(changed { $0["x"] = .raw(9, GGUFBytes.little(UInt32(99))) }) == .valueType(key: "x", type: 99))
    for count in [UInt64.max, 1 << 62, 1 << 32] {
      for type: UInt32 in [0, 8, 9, 12] {
        let value = GGUFBytes.Value.raw(9, GGUFBytes.little(type) + GGUFBytes.little(count))
        switch problem(changed { $0["x"] = value }) {
        case .endsInside?, .tooMany?: break
        case let other: Issue.record("\(count) of type \(type): \(String(describing: other))")
        }
      }
    }
  }

  @Test func arraysNestOnlySoDeep() {
    func nested(_ depth: Int) -> [UInt8] {
      (0..<depth).flatMap { _ in GGUFBytes.little(UInt32(9)) + GGUFBytes.little(UInt64(1)) }
        + GGUFBytes.little(UInt32(0)) + GGUFBytes.little(UInt64(1)) + [5]
    }
    #expect(problem(changed { $0["x"] = .raw(9, nested(3)) }) == nil)
    #expect(problem(changed { $0["x"] = .raw(9, nested(4)) }) == .nesting(key: "x", limit: 4))
    #expect(problem(changed { $0["x"] = .raw(9, nested(100_000)) }) == .nesting(key: "x", limit: 4))
  }

  @Test func alignmentIsAPowerOfTwo() {
    for value: UInt32 in [0, 3, 48, 1 << 21, .max] {
      #expect(problem(changed { $0["general.alignment"] = .uint32(value) }) == .alignment(Int(value)))
    }
    #expect(
      problem(changed { $0["general.alignment"] = .string("32") })
        == .wrongType(key: "general.alignment", found: "a string", expected: "an integer"))
    let wide = changed { file in
      file.alignment = 128
      file["general.alignment"] = .uint32(128)
    }
    #expect(problem(wide) == nil)
  }

  // MARK: Tensors

  private func tensor(_ change: (inout GGUFBytes.Tensor) -> Void) -> GGUFProblem? {
    problem(changed { change(&$0.tensors[0]) })
  }

  @Test func entriesOfTensorsAreChecked() {
    let name = "token_embd.weight"
    #expect(tensor { $0.name = "" } == .emptyName("a tensor"))
    #expect(tensor { $0.name = "output_norm.weight" } == .repeated("the tensor", name: "output_norm.weight"))
    #expect(tensor { $0.shape = [] } == .dimensionCount(tensor: name, count: 0, limit: 4))
    #expect(tensor { $0.shape = [1, 1, 1, 4, 8] } == .dimensionCount(tensor: name, count: 5, limit: 4))
    for dimension: UInt64 in [0, 1 << 41, 1 << 63, .max] {
      #expect(tensor { $0.shape[0] = dimension } == .dimension(tensor: name, dimension, limit: 1 << 40))
    }
    #expect(tensor { $0.shape = [1 << 40, 1 << 40] } == .sizeOverflows(tensor: name))
    #expect(tensor { $0.type = 4 } == .unknownType(tensor: name, type: 4))
    #expect(tensor { $0.type = 137 } == .unknownType(tensor: name, type: 137))
    // Q8_0 has blocks of 32.
    #expect(tensor { $0.type = 8 } == .partialBlock(tensor: name, type: "Q8_0", columns: 8, block: 32))
    // What only inputs are rounded to.
    #expect(
      tensor { tensor in
        (tensor.type, tensor.shape) = (9, [1, 32])
      } == .unsupportedType(tensor: name, type: "Q8_1"))
  }

  @Test func placesOfTensorsAreChecked() {
    let name = "token_embd.weight"
    let data = GGUFBytes.tinyLlama.tensors.reduce(0) { ($0 + 31) / 32 * 32 + $1.bytes.count }
    #expect(tensor { $0.offset = 1 } == .misaligned(tensor: name, offset: 1, alignment: 32))
    #expect(
      tensor { $0.offset = 1 << 40 } == .pastEnd(tensor: name, end: 1 << 40 + 128, dataByteCount: data))
    #expect(
      tensor { $0.offset = UInt64.max - 31 } == .pastEnd(tensor: name, end: .max, dataByteCount: data))
    // Where the norm's data are.
    #expect(tensor { $0.offset = 128 } == .overlap(tensor: name, with: "output_norm.weight"))
    let far = changed { $0.tensors[0].shape = [1 << 20, 8] }
    #expect(problem(far) == .pastEnd(tensor: name, end: 32 << 20, dataByteCount: data))
  }

  // MARK: Parts

  private func parts(_ change: (inout [GGUFBytes]) -> Void = { _ in }) {
    let whole = GGUFBytes.tinyLlama
    var files = [whole, whole]
    files[0].tensors = Array(whole.tensors[..<5])
    files[1].tensors = Array(whole.tensors[5...])
    for number in 0..<2 {
      files[number]["split.no"] = .uint16(UInt16(number))
      files[number]["split.count"] = .uint16(2)
      files[number]["split.tensors.count"] = .int32(11)
    }
    change(&files)
    for (number, file) in files.enumerated() { folder.write(file.bytes, as: "s-0000\(number + 1)-of-00002.gguf") }
  }

  private func partsProblem(_ name: String = "s-00001-of-00002.gguf") -> GGUFProblem? {
    let error = failure { () throws(CheckpointError) in try CheckpointFormat.open(folder.file(name)) }
    guard case .gguf(_, _, let problem) = error else { return nil }
    return problem
  }

  @Test func partsMakeOneModelWhicheverIsNamed() throws {
    parts()
    for name in ["s-00001-of-00002.gguf", "s-00002-of-00002.gguf", ""] {
      let model = try CheckpointFormat.open(name.isEmpty ? folder.path : folder.file(name))
      #expect(model.fileCount == 2 && model.entries.count == 11 && model.fingerprintParts.count == 2)
      let last = try #require(model.tensor("model.layers.0.mlp.down_proj.weight"))
      #expect(last.fileIndex == 1 && last.shape == [8, 12])
    }
    #expect(ModelLocation.displayName(folder.file("s-00001-of-00002.gguf")) == "s")
  }

  @Test func partsThatDoNotBelongTogetherAreRefused() {
    parts()
    unlink(folder.file("s-00002-of-00002.gguf"))
    #expect(partsProblem() == .missingShard("s-00002-of-00002.gguf"))
    parts { $0[1]["split.no"] = .uint16(0) }
    #expect(partsProblem() == .shardNumber(key: "split.no", found: 0, expected: 1))
    parts { $0[0]["split.count"] = .uint16(3) }
    #expect(partsProblem() == .shardNumber(key: "split.count", found: 3, expected: 2))
    parts { $0[1].tensors.removeLast() }
    #expect(partsProblem() == .shardTensors(found: 10, declared: 11))
    parts { $0[1].tensors[0].name = "output_norm.weight" }
    #expect(partsProblem() == .repeated("the tensor", name: "model.norm.weight"))
    parts { $0[1]["general.architecture"] = .string("qwen2") }
    #expect(partsProblem() == .otherArchitecture("qwen2", expected: "llama"))
  }

  @Test func aFolderOfSeveralModelsAsksForOne() throws {
    folder.write(GGUFBytes.tinyLlama.bytes, as: "b-Q4_K_M.gguf")
    #expect(try CheckpointFormat.open(folder.path).fileCount == 1)
    folder.write(GGUFBytes.tinyLlama.bytes, as: "mmproj-b.gguf")
    #expect(try CheckpointFormat.open(folder.path).fileCount == 1)
    folder.write(GGUFBytes.tinyLlama.bytes, as: "a-Q8_0.gguf")
    let error = failure { () throws(CheckpointError) in try CheckpointFormat.open(folder.path) }
    #expect(error == .gguf(path: folder.path, byte: nil, .severalModels(["a-Q8_0", "b-Q4_K_M"])))
  }
}
