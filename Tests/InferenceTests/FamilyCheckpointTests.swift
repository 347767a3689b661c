import Checkpoints
import Foundation
import JSON
import MoEModel
import Tensors
import TestSupport
import Testing

/// Tiny checkpoints of the families without a golden (`Tests/Reference/make_family_checkpoints.py`) against the
/// reference implementation's outputs, on several layouts that must give the same bits.
struct FamilyCheckpointTests {
  static let names = FamilyFixtures.names

  private static let layouts = [
    Layout(ranks: 1), Layout(ranks: 1, threads: 2, batchTokens: 5), Layout(ranks: 2, threads: 1, batchTokens: 1),
    Layout(ranks: 3, threads: 2, batchTokens: 7), Layout(ranks: 5, threads: 1, batchTokens: 512, together: false),
  ]

  private func folder(_ name: String) -> String { FamilyFixtures.folder(name) }

  private struct Expected {
    var ids: [Int32]
    var greedy: [Int32]
    var logits: [Float]
    let file: SafetensorsFile

    init(_ folder: String) throws {
      file = try SafetensorsFile(path: folder + "/expected.safetensors")
      ids = try file.int32s(try #require(file.tensor("input_ids")))
      greedy = try file.int32s(try #require(file.tensor("greedy")))
      logits = try file.float32s(try #require(file.tensor("logits")))
    }

    /// All but what follows: the last of those is not fed.
    var prompt: [Int32] { Array(ids.dropLast(greedy.count - 1)) }
  }

  private func result(_ model: String, _ expected: Expected, _ layout: Layout) throws -> RunResult {
    try run(
      model: model, scored: [expected.ids], prompts: [expected.prompt], newTokens: expected.greedy.count,
      layout: layout)
  }

  private func bits(_ logits: [Float]) -> [UInt32] { logits.map(\.bitPattern) }

  @Test(arguments: names)
  func outputsAgreeWithTheReferenceImplementation(name: String) throws {
    let expected = try Expected(folder(name))
    let found = try result(folder(name), expected, Layout(ranks: 2))
    try #require(found.logits[0].count == expected.logits.count)
    let worst = zip(found.logits[0], expected.logits).map { abs($0 - $1) }.max() ?? 0
    #expect(worst <= 1e-3, "logits differ by \(worst)")
    #expect(found.greedy[0] == expected.greedy)
    #expect(!found.layers.isEmpty)
    for (at, layer) in found.layers.enumerated() {
      let indices = try expected.file.int32s(try #require(expected.file.tensor("router.\(layer).indices")))
      #expect(found.experts[0][at] == indices, "routing in layer \(layer)")
      let weights = try expected.file.float32s(try #require(expected.file.tensor("router.\(layer).weights")))
      let worst = zip(found.weights[0][at], weights).map { abs($0 - $1) }.max() ?? 1
      #expect(worst <= 1e-4, "weights in layer \(layer) differ by \(worst)")
    }
  }

  @Test(arguments: names)
  func noLayoutChangesABit(name: String) throws {
    let expected = try Expected(folder(name))
    let plain = try result(folder(name), expected, Self.layouts[0])
    for layout in Self.layouts.dropFirst() {
      let found = try result(folder(name), expected, layout)
      #expect(bits(found.logits[0]) == bits(plain.logits[0]), "logits on \(layout)")
      #expect(found.experts == plain.experts && found.greedy == plain.greedy, "\(layout)")
    }
  }

  @Test(arguments: names)
  func noLayoutChangesABitOfRoundedWeights(name: String) throws {
    let expected = try Expected(folder(name))
    func rounded(_ layout: Layout) throws -> [UInt32] {
      var layout = layout
      layout.weights = .q8
      return bits(try result(folder(name), expected, layout).logits[0])
    }
    #expect(try rounded(Self.layouts[3]) == rounded(Self.layouts[0]))
  }

  /// What the reference implementation calls tensors in memory, with experts fused.
  static let renamings: [String: [(String, String)]] = [
    "hy_v3": [
      ("mlp.router.gate.weight", "mlp.gate.weight"), ("mlp.expert_bias", "mlp.e_score_correction_bias"),
      ("mlp.shared_mlp.", "mlp.shared_experts."),
    ],
    "exaone_moe": [("mlp.e_score_correction_bias", "mlp.gate.e_score_correction_bias")],
    "ernie4_5_moe": [
      ("mlp.moe_statics.e_score_correction_bias", "mlp.gate.moe_statics.e_score_correction_bias")
    ],
    "dots1": [],
  ]

  @Test(arguments: renamings.keys.sorted())
  func theOtherSpellingIsTheSameModel(name: String) throws {
    let expected = try Expected(folder(name))
    let plain = try result(folder(name), expected, Layout(ranks: 2))
    var other = try RewrittenCheckpoint(try HuggingFaceFolder(path: folder(name)))
    for (part, new) in Self.renamings[name] ?? [] { other.rename(part, to: new) }
    #expect(try other.written { try result($0, expected, Layout(ranks: 2)) } == plain)
    other.fuseExperts()
    #expect(try other.written { try result($0, expected, Layout(ranks: 2)) } == plain)
  }

  /// Queries, keys and values in one tensor are the same as apart.
  @Test(arguments: ["sarvam_moe", "bailing_moe_v2"])
  func projectionsApartAreTheSameModel(name: String) throws {
    let expected = try Expected(folder(name))
    let plain = try result(folder(name), expected, Layout(ranks: 2))
    var other = try RewrittenCheckpoint(try HuggingFaceFolder(path: folder(name)))
    for (key, joined) in other.tensors {
      guard let place = key.firstRange(of: "attention.query_key_value") else { continue }
      other.tensors[key] = nil
      let rowBytes = joined.bytes.count / joined.shape[0]
      var first = 0
      for (projection, rows) in [("q_proj", 32), ("k_proj", 16), ("v_proj", 16)] {
        let bytes = Array(joined.bytes[(first * rowBytes)..<((first + rows) * rowBytes)])
        let name = key.replacingCharacters(in: place, with: "self_attn.\(projection)")
        other.tensors[name] = .init(joined.type, [rows] + joined.shape.dropFirst(), bytes)
        first += rows
      }
    }
    for (part, new) in [
      ("word_embeddings", "embed_tokens"), ("attention.dense", "self_attn.o_proj"),
      ("attention.query_layernorm", "self_attn.q_norm"), ("attention.key_layernorm", "self_attn.k_norm"),
      ("mlp.gate.expert_bias", "mlp.gate.e_score_correction_bias"),
    ] { other.rename(part, to: new) }
    #expect(try other.written { try result($0, expected, Layout(ranks: 2)) } == plain)
  }

  /// Mistral Small 4 as it is published: a part of a model with eyes.
  @Test func theTextModelOfALargerOneIsThatModel() throws {
    let expected = try Expected(folder("mistral4"))
    var whole = try RewrittenCheckpoint(try HuggingFaceFolder(path: folder("mistral4")))
    whole.tensors = Dictionary(uniqueKeysWithValues: whole.tensors.map { ("language_model." + $0, $1) })
    whole.tensors["vision_tower.patch_conv.weight"] = .init([1, 2], [2], as: .float32)
    whole.config = JSONObject([
      ("model_type", "mistral3"), ("text_config", .object(whole.config)), ("vision_config", ["hidden_size": 7]),
    ])
    let plain = try result(folder("mistral4"), expected, Layout(ranks: 2))
    #expect(try whole.written { try result($0, expected, Layout(ranks: 2)) } == plain)
  }

  /// A family's first version under a name that its second has too.
  @Test func bailingsFirstVersionIsRefused() throws {
    let expected = try Expected(folder("bailing_moe_v2"))
    let plain = try result(folder("bailing_moe_v2"), expected, Layout())
    var other = try RewrittenCheckpoint(try HuggingFaceFolder(path: folder("bailing_moe_v2")))
    other.config["model_type"] = "bailing_moe"
    #expect(try other.written { try result($0, expected, Layout()) } == plain)
    other.config["architectures"] = ["BailingMoeForCausalLM"]
    let error = try #require(throws: ModelError.self) {
      try other.written { try ModelConfiguration.read(try HuggingFaceFolder(path: $0)) }
    }
    #expect("\(error)".contains("architectures") && "\(error)".contains("BailingMoeV2ForCausalLM"))
  }
}
