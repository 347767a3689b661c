import Checkpoints
import JSON
import TestSupport
import Testing

/// What a model in a GGUF file is: its settings, tensors and documents.
struct GGUFModelTests: ChangesGGUF {
  let folder = TemporaryFolder()

  // MARK: Settings

  @Test func settingsThatAreMissingOrOfAnotherTypeAreNamed() {
    #expect(problem { $0["general.architecture"] = nil } == .missing(key: "general.architecture"))
    guard case .architecture("gemma4", let known)? = problem({ $0["general.architecture"] = .string("gemma4") }) else {
      Issue.record("an unknown architecture is not named")
      return
    }
    #expect(known.contains("deepseek2") && known.contains("llama") && Set(known).count == known.count)
    for key in ["block_count", "context_length", "embedding_length", "attention.head_count"] {
      #expect(problem { $0["llama.\(key)"] = nil } == .missing(key: "llama.\(key)"))
      #expect(
        problem { $0["llama.\(key)"] = .string("8") }
          == .wrongType(key: "llama.\(key)", found: "a string", expected: "an integer"))
      #expect(
        problem { $0["llama.\(key)"] = .uint64(.max) }
          == .outOfRange(key: "llama.\(key)", found: "\(UInt64.max)", lower: "1", upper: "\(1 << 30)"))
    }
    let epsilon = "llama.attention.layer_norm_rms_epsilon"
    #expect(
      problem { $0[epsilon] = .float32(.nan) }
        == .outOfRange(key: epsilon, found: "no finite number", lower: "-1e+30", upper: "1e+30"))
  }

  @Test func numbersByLayerMustAgree() throws {
    let key = "llama.feed_forward_length"
    #expect(try open { $0[key] = .int32s([12, 12]) }.config["intermediate_size"]?.exactInt == 12)
    #expect(problem { $0[key] = .int32s([12, 16]) } == .differsByLayer(key: key))
    // Bytes, one more than any list may have.
    let count = 1 << 22 + 1
    let bytes = GGUFBytes.little(UInt32(0)) + GGUFBytes.little(UInt64(count)) + [UInt8](repeating: 12, count: count)
    let error = failure { () throws(CheckpointError) in try open { $0[key] = .raw(9, bytes) } }
    #expect(error == .tooMany(path: folder.file("m.gguf"), what: "entries of \"\(key)\"", limit: 1 << 22))
  }

  @Test func settingsThatNobodyKnowsAreKeptUnderTheirNames() throws {
    let config = try open { file in
      file["llama.attention.of_the_future"] = .float32(0.5)
      file["other.block_count"] = .uint32(9)
    }.config
    #expect(config["llama.attention.of_the_future"]?.number?.text == "0.5" && config["other.block_count"] == nil)
    #expect(config["llama.block_count"] == nil)
  }

  @Test func scalingIsReadOrRefusedByName() throws {
    let yarn = try open { file in
      file["llama.rope.scaling.type"] = .string("yarn")
      file["llama.rope.scaling.factor"] = .float32(40)
      file["llama.rope.scaling.original_context_length"] = .uint32(4096)
    }.config["rope_scaling"]
    #expect(
      yarn == ["rope_type": "yarn", "factor": .float(40), "original_max_position_embeddings": 4096])
    let key = "llama.rope.scaling.type"
    #expect(
      problem { $0[key] = .string("longrope") }
        == .unsupported(key: key, value: "longrope", remedy: "none, linear and yarn are"))
  }

  /// Llama 3's settings are found again from what each frequency is divided by.
  @Test func divisorsOfFrequenciesAreLlamasOrRefused() throws {
    func scaling(_ factors: [Float]) throws(CheckpointError) -> JSONValue? {
      try open { file in
        file["llama.rope.freq_base"] = .float32(500_000)
        file.tensors.append(.init("rope_freqs.weight", [factors.count], floats: factors))
      }.config["rope_scaling"]
    }
    // Wavelengths are 6.3, 167, 4442.88 and 118142 positions: of a context of 8192 the third lies between a quarter and
    // the whole.
    let smooth: Float = (8192 / 4442.88 - 1) / 3
    let blend = 1 / ((1 - smooth) / 8 + smooth)
    #expect(
      try scaling([1, 1, blend, 8]) == [
        "rope_type": "llama3", "factor": .float(8), "low_freq_factor": .double(1), "high_freq_factor": .double(4),
        "original_max_position_embeddings": 8192,
      ])
    // Where none lies between, of the contexts that give the same divisors the shortest.
    #expect(try scaling([1, 8, 8, 8])?["original_max_position_embeddings"]?.exactInt == 32)
    for factors in [[1, 1, blend * 1.1, 8], [8, 1, 1, 1], [1, 1, 1, .infinity]] {
      let error = failure { () throws(CheckpointError) in try scaling(factors) }
      #expect(
        error == .gguf(path: folder.file("m.gguf"), byte: nil, .ropeFactors(tensor: "rope_freqs.weight")))
    }
  }

  // MARK: Tensors

  /// Rows of queries and keys come out as published: the halves of pairs apart.
  @Test func rowsOfHeadsAreTurnedBack() throws {
    let model = try open()
    let entry = try #require(model.tensor("model.layers.0.self_attn.q_proj.weight"))
    // Two heads of four rows; of each the even ones come first.
    let order = [0, 2, 1, 3, 4, 6, 5, 7]
    let expected = order.flatMap { row in (0..<8).map { Float(row * 8 + $0) } }
    #expect(try model.float32s(entry) == expected)
    let bytes = try model.readAll(entry)
    for range in [0..<1, 3..<70, 31..<33, 64..<192, 255..<256, 100..<100] {
      var part = [UInt8](repeating: 0, count: range.count)
      try part.withUnsafeMutableBytes { try model.read(entry, bytes: range, into: $0) }
      #expect(part == Array(bytes[range]))
    }
    let value = try #require(model.tensor("model.layers.0.self_attn.v_proj.weight"))
    #expect(try model.float32s(value) == (0..<32).map { Float($0) })
    #expect(
      problem { file in
        file["llama.attention.head_count"] = .uint32(3)
      }
        == .shape(tensor: "blk.0.attn_q.weight", found: [8], expected: "a multiple of 3 heads"))
  }

  /// A number of a block has no bytes of its own that could take another place.
  @Test(arguments: [(UInt32(19), 256, 50), (8, 32, 34)])
  func biasesInBlocksAreNotTurned(type: UInt32, count: Int, byteCount: Int) {
    let bytes = [UInt8](repeating: 0, count: byteCount)
    #expect(
      problem { $0.tensors.append(.init("blk.0.attn_q.bias", [count], type: type, bytes)) }
        == .shape(
          tensor: "blk.0.attn_q.bias", found: [count], expected: "an even number of rows for each of 2 heads"))
  }

  @Test func readsBeyondATensorAreRefused() throws {
    let model = try open()
    let entry = try #require(model.tensor("model.norm.weight"))
    var buffer = [UInt8](repeating: 0, count: 64)
    let outside = failure { () throws(CheckpointError) in
      var failure: CheckpointError?
      buffer.withUnsafeMutableBytes { buffer in
        do throws(CheckpointError) { try model.read(entry, bytes: 16..<33, into: buffer) } catch { failure = error }
      }
      if let failure { throw failure }
    }
    #expect(
      outside
        == .rangeOutsideTensor(path: folder.file("m.gguf"), name: entry.name, range: 16..<33, byteCount: 32))
  }

  @Test func stackedExpertsAreTensorsOfTheirOwn() throws {
    func mixtral(_ file: inout GGUFBytes) {
      file["llama.expert_count"] = .uint32(3)
      file["llama.expert_used_count"] = .uint32(2)
      file.tensors.removeAll { $0.name.contains("ffn_") && !$0.name.contains("norm") }
      file.tensors.append(.init("blk.0.ffn_gate_inp.weight", [3, 8], floats: (0..<24).map { Float($0) }))
      for (name, shape) in [("gate", [3, 12, 8]), ("up", [3, 12, 8]), ("down", [3, 8, 12])] {
        file.tensors.append(.init("blk.0.ffn_\(name)_exps.weight", shape, floats: (0..<288).map { Float($0) }))
      }
    }
    let model = try open(mixtral)
    #expect(model.config["model_type"]?.string == "mixtral" && model.config["num_local_experts"]?.exactInt == 3)
    let down = try #require(model.tensor("model.layers.0.block_sparse_moe.experts.2.w2.weight"))
    #expect(try down.shape == [8, 12] && model.float32s(down) == (192..<288).map { Float($0) })
    // Gate and up in one.
    let fused = try open { file in
      mixtral(&file)
      file.tensors.removeAll { $0.name.contains("gate_exps") || $0.name.contains("up_exps") }
      file.tensors.append(.init("blk.0.ffn_gate_up_exps.weight", [3, 24, 8], floats: (0..<576).map { Float($0) }))
    }
    let up = try #require(fused.tensor("model.layers.0.block_sparse_moe.experts.1.w3.weight"))
    #expect(try up.shape == [12, 8] && fused.float32s(up) == (288..<384).map { Float($0) })
    #expect(
      problem { file in
        mixtral(&file)
        file.tensors.append(.init("blk.0.ffn_gate_up_exps.weight", [3, 25, 8], floats: (0..<600).map { Float($0) }))
      }
        == .shape(
          tensor: "blk.0.ffn_gate_up_exps.weight", found: [3, 25, 8],
          expected: "an even number of rows for each expert"))
    // Half of a bias of one block is none.
    #expect(
      problem { file in
        mixtral(&file)
        file.tensors.append(
          .init("blk.0.ffn_gate_up_exps.bias", [3, 32], type: 8, [UInt8](repeating: 0, count: 102)))
      }
        == .shape(
          tensor: "blk.0.ffn_gate_up_exps.bias", found: [3, 32], expected: "an even number of rows for each expert"))
    // A tensor for each expert's bytes is no licence for any number of them.
    let many = failure { () throws(CheckpointError) in
      try open { file in
        mixtral(&file)
        file.tensors.append(
          .init("blk.0.ffn_gate_exps.bias", [1 << 20, 1], floats: Array(repeating: 0, count: 1 << 20)))
      }
    }
    #expect(many == .tooMany(path: folder.file("m.gguf"), what: "tensors", limit: 1 << 20))
  }

  @Test func whatNobodyKnowsKeepsItsNameInItsLayer() throws {
    let names = try open { file in
      file.tensors.append(.init("blk.0.attn_of_the_future.weight", [1], floats: [1]))
      file.tensors.append(.init("blk.00.attn_norm.weight", [1], floats: [1]))
      file.tensors.append(.init("other", [1], floats: [1]))
    }.entries.map(\.name)
    #expect(names.contains("model.layers.0.attn_of_the_future.weight") && names.contains("other"))
    #expect(names.contains("blk.00.attn_norm.weight"))
  }

  // MARK: Documents

  private func document(_ model: any ModelDocuments, _ name: String) throws -> JSONValue? {
    try model.document(name, limit: 1 << 20).map { try JSONValue(parsing: $0) }
  }

  private func speak(_ file: inout GGUFBytes) {
    file["tokenizer.ggml.model"] = .string("gpt2")
    file["tokenizer.ggml.pre"] = .string("qwen2")
    file["tokenizer.ggml.tokens"] = .strings(["a", "b", "ab", "<|im_end|>"])
    file["tokenizer.ggml.token_type"] = .int32s([1, 1, 1, 3])
    file["tokenizer.ggml.merges"] = .strings(["a b"])
    file["tokenizer.ggml.eos_token_id"] = .uint32(2)
    file["tokenizer.chat_template"] = .string("{{ 'x' }}")
    file["general.sampling.temp"] = .float32(0.6)
  }

  @Test func documentsAreMadeOfMetadata() throws {
    let model = try open(speak)
    let tokenizer = try #require(try document(model, "tokenizer.json"))
    #expect(tokenizer["model"]?["vocab"]?["ab"]?.exactInt == 2 && tokenizer["model"]?["merges"] == ["a b"])
    #expect(tokenizer["normalizer"]?["type"]?.string == "NFC")
    #expect(tokenizer["added_tokens"]?.array?.count == 1)
    let config = try #require(try document(model, "tokenizer_config.json"))
    #expect(config["eos_token"]?.string == "ab" && config["chat_template"]?.string == "{{ 'x' }}")
    #expect(config["add_bos_token"]?.bool == false)
    #expect(model.generationConfig == ["eos_token_id": [2, 3], "temperature": .float(0.6)])
    #expect(try document(model, "config.json") == model.config && document(model, "vocab.txt") == nil)
    let unopened = CheckpointFormat.documents(of: model.path)
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"] {
      #expect(try document(unopened, name) == document(model, name))
    }
    #expect(failure { () throws(CheckpointError) in try unopened.document("tokenizer.json", limit: 10) } != nil)
  }

  @Test func tokenizersThatAreNotKnownAskForTheFileBeside() throws {
    func problem(_ change: (inout GGUFBytes) -> Void) throws -> GGUFProblem? {
      let model = try open { file in
        speak(&file)
        change(&file)
      }
      let error = failure { () throws(CheckpointError) in try model.document("tokenizer.json", limit: 1 << 20) }
      guard case .gguf(_, _, let problem) = error else { return nil }
      return problem
    }
    guard case .unknownSplit("future", let known)? = try problem({ $0["tokenizer.ggml.pre"] = .string("future") })
    else {
      Issue.record("an unknown way to split text is not named")
      return
    }
    #expect(known.contains("deepseek-v3") && known.contains("kimi-k2"))
    #expect(try problem { $0["tokenizer.ggml.model"] = .string("bert") } == .tokenizerModel("bert"))
    #expect(try problem { $0["tokenizer.ggml.tokens"] = nil } == .noTokenizer)
    #expect(
      try problem { $0["tokenizer.ggml.token_type"] = .int32s([1]) }
        == .tokenLists(key: "tokenizer.ggml.token_type", found: 1, expected: 4))
    #expect(
      try problem { $0["tokenizer.ggml.tokens"] = .strings(["a", "b", "a", "c"]) } == .repeatedToken("a"))
    #expect(
      try problem { $0["tokenizer.ggml.merges"] = nil } == .missing(key: "tokenizer.ggml.merges"))
    #expect(
      try problem { $0["tokenizer.ggml.merges"] = .int32s([1]) }
        == .wrongType(key: "tokenizer.ggml.merges", found: "an array of integers", expected: "an array of strings"))
    folder.write(#"{"beside":true}"#, as: "tokenizer.json")
    let model = try open { file in
      speak(&file)
      file["tokenizer.ggml.pre"] = .string("future")
    }
    #expect(try document(model, "tokenizer.json") == ["beside": true])
  }

  @Test func idsOfTokensLieInTheVocabulary() {
    let key = "tokenizer.ggml.eos_token_id"
    #expect(
      problem { file in
        speak(&file)
        file[key] = .uint32(4)
      } == .outOfRange(key: key, found: "4", lower: "0", upper: "3"))
  }

  @Test func sumsLieBesideTheFile() throws {
    #expect(try open().placeOfDocument(RecordedSums.fileName) == folder.file("m.gguf.model.sums.json"))
    #expect(ModelLocation.displayName("/a/b/Model-Q4_K_M.gguf") == "Model-Q4_K_M")
  }
}
