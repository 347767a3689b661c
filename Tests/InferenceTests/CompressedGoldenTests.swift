import Checkpoints
import EngineAPI
import Foundation
import Inference
import Kernels
import Machine
import MoEModel
import ModelRuntime
import TestSupport
import Testing

/// DeepSeek-V4 against the reference implementation's outputs, and against itself.
struct CompressedGoldenTests {
  @Test(arguments: Golden.compressed, [1, 2, 3, 5])
  func outputsAgreeWithTheReferenceImplementation(name: String, ranks: Int) throws {
    let layout = Layout(ranks: ranks, threads: ranks == 1 ? 3 : 1, batchTokens: ranks == 2 ? 40 : 512)
    try GoldenTests.compare(name, layout, newTokens: 12)
  }

  /// Prompts cut into chunks of any size, one by one or together, on any ranks, threads and instruction sets.
  @Test(arguments: Golden.compressed, [(WeightPrecision.auto, CacheType.f32), (.auto, .bf16), (.q8, .bf16)])
  func noLayoutChangesABit(name: String, held: (weights: WeightPrecision, cache: CacheType)) throws {
    let golden = try Golden(name)
    // Past the first entry of 128 tokens, and the boundaries of several blocks.
    let scored = [Array(try golden.scoredIDs(3).prefix(140)), Array(try golden.scoredIDs(1).prefix(9))]
    let prompts = [try golden.prompt(0), try golden.prompt(2)]
    func result(_ layout: Layout) throws -> RunResult {
      var layout = layout
      (layout.weights, layout.cacheType) = held
      return try run(model: golden.folder, scored: scored, prompts: prompts, newTokens: 20, layout: layout)
    }
    let expected = try result(Layout())
    var layouts = [
      Layout(ranks: 2, threads: 2, batchTokens: 40), Layout(batchTokens: 1, together: false),
      Layout(ranks: 5, batchTokens: 33, together: false), Layout(threads: 3, batchTokens: 7),
    ]
    for isa in InstructionSet.supported {
      layouts.append(Layout(batchTokens: 19))
      layouts[layouts.count - 1].isa = isa
    }
    for layout in layouts { #expect(try result(layout) == expected, "\(layout)") }
  }

  @Test(arguments: Golden.compressed) func aContinuationHasTheBitsOfItsPrompt(name: String) throws {
    let golden = try Golden(name)
    try GoldenTests.continueAsScored(golden, Array(try golden.prompt(3).prefix(100)))
  }

  private func logits(_ golden: Golden, _ model: String, weights: WeightPrecision = .auto) throws -> [[Float]] {
    var layout = Layout(ranks: 2)
    layout.weights = weights
    return try run(model: model, scored: [try golden.scoredIDs(2)], prompts: [], newTokens: 1, layout: layout).logits
  }

  @Test(arguments: Golden.compressed, [WeightPrecision.q8, .q4])
  func aQuantisedFolderHasTheBitsOfQuantisingOnLoad(name: String, weights: WeightPrecision) throws {
    let golden = try Golden(name)
    let same = try golden.withQuantised(to: weights) { try logits(golden, $0) }
    #expect(try same == logits(golden, golden.folder, weights: weights))
  }

  /// From the names that transformers saves to those that it has in memory, and to DeepSeek's.
  private static let held = [
    ("attn.indexer.compressor.wkv", "attn.compressor.indexer.kv_proj"),
    ("attn.indexer.compressor.wgate", "attn.compressor.indexer.gate_proj"),
    ("attn.indexer.compressor.ape", "attn.compressor.indexer.position_bias"),
    ("attn.indexer.compressor.norm", "attn.compressor.indexer.kv_norm"),
    ("attn.indexer.wq_b", "attn.compressor.indexer.q_b_proj"),
    ("attn.indexer.weights_proj", "attn.compressor.indexer.scorer.weights_proj"),
    ("attn.compressor.wkv", "attn.compressor.kv_proj"), ("attn.compressor.wgate", "attn.compressor.gate_proj"),
    ("attn.compressor.ape", "attn.compressor.position_bias"), ("attn.compressor.norm", "attn.compressor.kv_norm"),
    ("attn.norm", "attn.kv_norm"), ("attn.q_norm", "attn.q_a_norm"), ("attn.wq_a", "attn.q_a_proj"),
    ("attn.wq_b", "attn.q_b_proj"), ("attn.wkv", "attn.kv_proj"), ("attn.wo_a", "attn.o_a_proj"),
    ("attn.wo_b", "attn.o_b_proj"), ("attn.attn_sink", "attn.sinks"), (".attn.", ".self_attn."),
    ("attn_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm"), ("hc_attn_", "attn_hc."),
    ("hc_ffn_", "ffn_hc."), ("gate.bias", "gate.e_score_correction_bias"),
    ("shared_experts.w1", "shared_experts.gate_proj"),
    ("shared_experts.w2", "shared_experts.down_proj"), ("shared_experts.w3", "shared_experts.up_proj"),
    (".ffn.", ".mlp."),
  ]

  @Test func everySpellingOfNamesIsTheSame() throws {
    let golden = try Golden("deepseek_v4_saved")
    let expected = try logits(golden, golden.folder)
    var held = try RewrittenCheckpoint(golden)
    held.fuseExperts(gate: "w1", up: "w3", down: "w2")
    held.tensors["lm_head.weight"] = held.tensors.removeValue(forKey: "head.weight")
    for (saved, own) in Self.held { held.rename(saved, to: own) }
    #expect(held.tensors["model.layers.0.mlp.experts.gate_up_proj"]?.shape.count == 3)
    #expect(try held.written { try logits(golden, $0) } == expected)

    var published = try RewrittenCheckpoint(golden)
    published.rename("attn.norm", to: "attn.kv_norm")
    published.rename("model.embed_tokens", to: "model.embed")
    published.rename("model.hc_head.hc_", to: "model.hc_head_")
    for name in published.tensors.keys where name.hasPrefix("model.") {
      published.tensors[String(name.dropFirst(6))] = published.tensors.removeValue(forKey: name)
    }
    #expect(published.tensors["layers.0.attn.kv_norm.weight"] != nil)
    #expect(try published.written { try logits(golden, $0) } == expected)
  }

  private func failure(_ change: (inout RewrittenCheckpoint) throws -> Void) throws -> String {
    let golden = try Golden("deepseek_v4")
    var broken = try RewrittenCheckpoint(golden)
    try change(&broken)
    do {
      _ = try broken.written { try logits(golden, $0) }
      return ""
    } catch { return "\(error)" }
  }

  @Test func tensorsThatDoNotFitAreNamed() throws {
    for (name, shape) in [
      ("layers.1.attn.compressor.ape", [1, 320]), ("layers.1.attn.indexer.compressor.norm.weight", nil),
      ("layers.2.attn.compressor.wgate.weight", [64, 40]), ("layers.0.attn.attn_sink", nil),
      ("layers.0.hc_attn_fn", [64, 16]), ("layers.3.hc_ffn_scale", nil), ("hc_head_base", [1, 2]),
      ("layers.0.ffn.gate.tid2eid", [2, 64]), ("layers.2.ffn.gate.bias", nil),
      ("layers.0.attn.wo_a.weight", [80, 140]),
    ] as [(String, [Int]?)] {
      let message = try failure { broken in
        let tensor = try #require(broken.tensors[name], "\(name)")
        broken.tensors[name] = shape.map { .init(tensor.type, $0, tensor.bytes) }
      }
      #expect(message.contains(name), "\(name): \(message)")
    }
  }

  /// A table of experts by token may name those there are, each once.
  @Test func aTableOfExpertsIsChecked() throws {
    let name = "layers.1.ffn.gate.tid2eid"
    for (value, told) in [(Int64(5), "expert 5"), (-1, "expert -1"), (.max, "expert"), (1 << 40, "expert")] {
      let message = try failure { broken in
        for i in 0..<8 { broken.tensors[name]?.bytes[16 * 7 + i] = UInt8(truncatingIfNeeded: value >> (8 * Int64(i))) }
      }
      #expect(message.contains(name) && message.contains("token 7") && message.contains(told), "\(message)")
    }
    let message = try failure { broken in
      var table = try #require(broken.tensors[name])
      for i in 0..<8 { table.bytes[16 * 9 + 8 + i] = table.bytes[16 * 9 + i] }
      broken.tensors[name] = table
    }
    #expect(message.contains(name) && message.contains("token 9") && message.contains("twice"), "\(message)")
  }

  /// The makers' program, which templates are made with, and a template for tools, go with a quantised folder.
  @Test func whatIsReadOfFoldersIsCopied() throws {
    try RewrittenCheckpoint(try Golden("deepseek_v4")).written { path in
      for (folder, name) in [("encoding", "encoding_dsv4.py"), ("additional_chat_templates", "tool_use.jinja")] {
        try FileManager.default.createDirectory(atPath: "\(path)/\(folder)", withIntermediateDirectories: false)
        try Data("in \(folder)".utf8).write(to: URL(filePath: "\(path)/\(folder)/\(name)"))
        try Data("not read".utf8).write(to: URL(filePath: "\(path)/\(folder)/other"))
      }
      try withTemporaryFolder { temporary in
        let output = try OutputFolder(path: temporary.file("copy"), byteCount: 0)
        try HuggingFaceFolder(path: path).copyCompanions(to: output)
        for folder in ["encoding", "additional_chat_templates"] {
          let names = try FileManager.default.contentsOfDirectory(atPath: output.path + "/" + folder)
          #expect(names == [folder == "encoding" ? "encoding_dsv4.py" : "tool_use.jinja"])
          #expect(
            try Data(contentsOf: URL(filePath: "\(output.path)/\(folder)/\(names[0])")) == Data("in \(folder)".utf8))
        }
        output.discard()
        #expect(!FileManager.default.fileExists(atPath: output.path))
      }
    }
  }

  @Test func slicesAreRefused() throws {
    let golden = try Golden("deepseek_v4")
    var layout = Layout(ranks: 2)
    layout.sharing = .sliced
    let shown = #expect(throws: (any Error).self) {
      try run(model: golden.folder, scored: [[1, 2]], prompts: [], newTokens: 1, layout: layout)
    }
    #expect("\(try #require(shown))".contains("compressed attention"))
  }
}
