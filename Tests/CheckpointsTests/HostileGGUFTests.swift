import Checkpoints
import JSON
import TestSupport
import Testing

/// Files that lie, one for each way in which other readers of the format were broken (their CVEs in brackets).
struct HostileGGUFTests: ChangesGGUF {
  let folder = TemporaryFolder()

  // MARK: Sizes (CVE-2024-21802, -21825, -21836, -23496, -23605; CVE-2025-53630; CVE-2026-33298, -27940)

  private static let wrappingShapes: [[UInt64]] = [
    [0x1_0000_0000, 0x1_0000_0000], [0x100_0000_0000, 0x100_0000, 8], [3, 0x100_0000_0000, 0x100_0000_0000],
    [0x1_0000, 0x1_0000, 0x1_0000, 0x1_0000],
  ]
  private static let wrappingOffsets: [UInt64] = [
    .max - 31, 0x8000_0000_0000_0000, 0x7FFF_FFFF_FFFF_FFE0, 0x4000_0000_0000_0000,
  ]
  private static let wrappingLengths: [UInt64] = [
    .max, 0x8000_0000_0000_0000, 0x1FFF_FFFF_FFFF_FFFF, 0x4000_0000_0000_0000, 0x2000_0000_0000_0000,
  ]

  /// Products and sums that wrap to something small.
  @Test(arguments: wrappingShapes)
  func sizesThatWrapAreRefused(shape: [UInt64]) {
    let name = "token_embd.weight"
    switch problem({ $0.tensors[0].shape = shape }) {
    case .sizeOverflows(tensor: name)?, .pastEnd(tensor: name, end: _, dataByteCount: _)?: break
    case let other: Issue.record("\(shape): \(String(describing: other))")
    }
  }

  /// Counts of bytes that wrap where those of numbers do not: an element of four bytes.
  @Test func sizesInBytesThatWrapAreRefused() {
    #expect(
      problem { $0.tensors[0].shape = [1 << 22, 1 << 40] } == .sizeOverflows(tensor: "token_embd.weight"))
    // 2⁶¹ numbers in blocks of 256 take 2⁵³ · 210 bytes.
    let found = problem { file in
      file.tensors[0].shape = [1 << 21, 1 << 40]
      file.tensors[0].type = 14
    }
    guard case .pastEnd? = found else {
      Issue.record("\(String(describing: found))")
      return
    }
  }

  @Test(arguments: wrappingOffsets)
  func offsetsThatWrapAreRefused(offset: UInt64) {
    guard case .pastEnd? = problem({ $0.tensors[0].offset = offset }) else {
      Issue.record("an offset of \(offset) is not refused")
      return
    }
  }

  /// Strings and lists whose lengths are beyond the file, or beyond what can be counted.
  @Test(arguments: wrappingLengths)
  func lengthsThatWrapAreRefused(length: UInt64) {
    for type: UInt32 in 0...12 {
      let value = GGUFBytes.little(type) + GGUFBytes.little(length)
      for followed in [value, value + [UInt8](repeating: 1, count: 64)] {
        #expect(failure { () throws(CheckpointError) in try open { $0["x"] = .raw(9, followed) } } != nil)
      }
    }
    #expect(problem { $0["x"] = .raw(8, GGUFBytes.little(length)) } == .endsInside("\"x\""))
  }

  // MARK: Counts without an upper bound

  @Test(arguments: ["block_count", "attention.head_count", "embedding_length", "context_length"])
  func countsAreBounded(key: String) {
    for value: UInt64 in [0, 0x8000_0000, 0x1_0000_0000, 0x8000_0000_0000_0000, .max] {
      guard case .outOfRange? = problem({ $0["llama.\(key)"] = .uint64(value) }) else {
        Issue.record("\(key) = \(value) is not refused")
        continue
      }
    }
    #expect(problem { $0["llama.\(key)"] = .int32(-1) } != nil)
  }

  /// As many layers as may be told open at once, or are refused: nobody makes room for them.
  @Test(arguments: ["llama", "qwen2", "qwen3", "hy_v3", "ernie4_5-moe", "dots1", "exaone-moe", "mistral4"])
  func layersThatAreToldTakeNoRoom(architecture: String) {
    let error = failure { () throws(CheckpointError) in
      try open { file in
        file.keys = file.keys.map { ($0.name.replacing("llama.", with: "\(architecture)."), $0.value) }
        file["general.architecture"] = .string(architecture)
        file["\(architecture).block_count"] = .uint32(1 << 30)
        for key in ["expert_count", "expert_used_count", "expert_feed_forward_length", "attention.kv_lora_rank"] {
          file["\(architecture).\(key)"] = .uint32(1)
        }
        file["\(architecture).rope.dimension_count"] = .uint32(4)
      }
    }
    guard let error else { return }
    guard case .gguf = error else {
      Issue.record("\(error)")
      return
    }
  }

  // MARK: Reads beyond a tensor (CVE-2026-7482; CVE-2026-53923)

  /// Shapes of more than 2³¹ numbers in a file of few.
  @Test func shapesBeyondTheFileAreRefused() {
    let shapes: [[UInt64]] = [[0x8000_0000, 1], [0x1_0000_0000, 8], [1, 0x1_0000_0008], [4, 9]]
    for shape in shapes {
      let found = problem { file in
        file.tensors.removeLast(file.tensors.count - 1)
        file.tensors[0].shape = shape
      }
      guard case .pastEnd? = found else {
        Issue.record("\(shape) is not refused")
        continue
      }
    }
  }

  // MARK: Vocabularies (CVE-2025-49847, CVE-2025-52566; tokens of bytes below zero)

  @Test(arguments: ["<0x-1>", "<0x100>", "<0xZZ>", "<0x>", "<0x00", "<0xFF>FF", "<0x 1>"])
  func tokensOfNoByteAreTokensOfTheirLetters(token: String) throws {
    let model = try open { file in
      file["tokenizer.ggml.model"] = .string("llama")
      file["tokenizer.ggml.tokens"] = .strings(["<unk>", "a", token, "b"])
      file["tokenizer.ggml.token_type"] = .int32s([2, 1, 6, 1])
      file["tokenizer.ggml.scores"] = .float32s([0, -1, -2, -3])
    }
    let document = try JSONValue(parsing: try #require(try model.document("tokenizer.json", limit: 1 << 20)))
    #expect(document["model"]?["vocab"]?[token]?.exactInt == 2)
  }

  /// Kinds that are none, ids below zero or beyond the vocabulary, and tokens of a length that is none.
  @Test func entriesOfVocabulariesAreChecked() throws {
    func vocabulary(_ change: @escaping (inout GGUFBytes) -> Void) -> CheckpointError? {
      failure { () throws(CheckpointError) in
        let model = try open { file in
          file["tokenizer.ggml.model"] = .string("gpt2")
          file["tokenizer.ggml.pre"] = .string("qwen2")
          file["tokenizer.ggml.tokens"] = .strings(["a", "b", "ab", "c"])
          file["tokenizer.ggml.token_type"] = .int32s([1, 1, 1, 3])
          file["tokenizer.ggml.merges"] = .strings(["a b"])
          change(&file)
        }
        return try model.document("tokenizer.json", limit: 1 << 20)
      }
    }
    #expect(vocabulary { _ in } == nil)
    for id: Int32 in [4, .max, .min] {
      #expect(vocabulary { $0["tokenizer.ggml.eos_token_id"] = .int32(id) } != nil, "\(id)")
    }
    let tokens = GGUFBytes.little(UInt32(8)) + GGUFBytes.little(UInt64(4))
    for length: UInt64 in [0x8000_0000, 0x1_0000_0000, .max, 0x8000_0000_0000_0000] {
      #expect(vocabulary { $0["tokenizer.ggml.tokens"] = .raw(9, tokens + GGUFBytes.little(length)) } != nil)
    }
  }

  // MARK: Files that never end (gguf-py's loop over a file of 43 bytes)

  /// Lists of elements that take no room, and keys that the file has no room for.
  @Test func countsOfNothingEnd() {
    let nested = GGUFBytes.little(UInt32(9)) + GGUFBytes.little(UInt64.max >> 1)
    #expect(problem { $0["x"] = .raw(9, nested) } != nil)
    let empty = GGUFBytes.little(UInt32(8)) + GGUFBytes.little(UInt64(1) << 40)
    #expect(problem { $0["x"] = .raw(9, empty) } != nil)
  }
}
