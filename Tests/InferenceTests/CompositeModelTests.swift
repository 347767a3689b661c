import Checkpoints
import JSON
import MoEModel
import Tensors
import TestSupport
import Testing

/// Models of which the text model is a part: nested settings, names that begin otherwise, tensors of other parts.
struct CompositeModelTests {
  /// Kimi K2's golden as Kimi K2.5 is published.
  private func kimiK25() throws -> (golden: Golden, checkpoint: RewrittenCheckpoint) {
    let golden = try Golden("kimi_k2")
    var whole = try RewrittenCheckpoint(golden)
    whole.tensors = Dictionary(uniqueKeysWithValues: whole.tensors.map { ("language_model." + $0, $1) })
    for name in ["vision_tower.patch_embed.proj.weight", "vision_tower.blocks.0.w.weight", "mm_projector.0.weight"] {
      whole.tensors[name] = .init([1, 2], [2], as: .float32)
    }
    whole.config = JSONObject([
      ("model_type", "kimi_k25"), ("tie_word_embeddings", true), ("text_config", .object(whole.config)),
      ("vision_config", ["hidden_size": 7]), ("media_placeholder_token_id", 3),
    ])
    return (golden, whole)
  }

  private func logits(_ golden: Golden, _ model: String, weights: WeightPrecision = .auto) throws -> [[Float]] {
    var layout = Layout(ranks: 2)
    layout.weights = weights
    return try run(
      model: model, scored: [try golden.scoredIDs(0)], prompts: [], newTokens: 1, layout: layout
    ).logits
  }

  private func description(_ checkpoint: RewrittenCheckpoint) throws -> DecoderDescription {
    try checkpoint.written { try ModelConfiguration.read(try HuggingFaceFolder(path: $0)) }
  }

  private func failure(_ change: (inout RewrittenCheckpoint) -> Void) throws -> String {
    var whole = try kimiK25().checkpoint
    change(&whole)
    do {
      _ = try description(whole)
      return ""
    } catch { return "\(error)" }
  }

  @Test func theTextModelOfALargerOneIsThatModel() throws {
    let (golden, whole) = try kimiK25()
    #expect(try whole.written { try logits(golden, $0) } == logits(golden, golden.folder))
    #expect(
      try whole.written { try logits(golden, $0, weights: .q8) } == logits(golden, golden.folder, weights: .q8))
  }

  @Test func otherPartsAreCountedInOneNote() throws {
    let model = try description(try kimiK25().checkpoint)
    #expect(model.family == "kimi_k2" && !model.tiedEmbeddings)
    #expect(model.otherPartCounts == ["vision_tower": 2, "mm_projector": 1])
    let note = try #require(model.compositeNote)
    #expect(note.contains("kimi_k25") && note.contains("1 of mm_projector, 2 of vision_tower"))
    #expect(model.unreadTensors == [] && model.unreadNote == nil, "\(model.unreadNote ?? "")")
  }

  @Test func unreadTensorsOfTheTextModelAreStillFound() throws {
    let inside = try failure {
      $0.tensors["language_model.model.layers.1.self_attn.sinks"] = .init([1], [1], as: .float32)
    }
    #expect(inside.contains("language_model.model.layers.1.self_attn.sinks"), "\(inside)")
    var whole = try kimiK25().checkpoint
    whole.tensors["language_model.extra"] = .init([1], [1], as: .float32)
    #expect(try description(whole).unreadTensors == ["language_model.extra"])
  }

  @Test func unreadSettingsOfTheTextModelAreStillNamed() throws {
    var whole = try kimiK25().checkpoint
    var text = whole.config["text_config"]!.object!
    text["final_softcap"] = 3
    whole.config["text_config"] = .object(text)
    #expect(try description(whole).unreadSettings == ["final_softcap"])
  }

  @Test func quantizationIsReadInsideAndOutsideOfTheTextModel() throws {
    let asked: JSONValue = ["quant_method": "fp8", "weight_block_size": [64, 32]]
    for inside in [true, false] {
      var whole = try kimiK25().checkpoint
      var text = whole.config["text_config"]!.object!
      if inside { text["quantization_config"] = asked } else { whole.config["quantization_config"] = asked }
      whole.config["text_config"] = .object(text)
      let model = try description(whole)
      #expect(model.quantization == .float8 && model.float8Block == Quantization.Block(rows: 64, columns: 32))
    }
    let wrong: JSONValue = ["quant_method": "squeeze"]
    #expect(try failure { $0.config["quantization_config"] = wrong }.contains("squeeze"))
  }

  @Test func whatIsWrongIsNamedWithItsPlace() throws {
    #expect(try failure { $0.config["text_config"] = nil }.contains("text_config"))
    #expect(try failure { $0.config["text_config"] = 3 }.contains("text_config"))
    let changes: [(String, JSONValue, String)] = [
      ("model_type", "bert", "bert"), ("hidden_size", -1, "text_config.hidden_size"),
      ("rope_scaling", ["type": "yarn", "factor": 0], "text_config.rope_scaling.factor"),
      ("tie_word_embeddings", 1, "text_config.tie_word_embeddings"),
    ]
    for (key, value, words) in changes {
      let message = try failure {
        var text = $0.config["text_config"]!.object!
        text[key] = value
        $0.config["text_config"] = .object(text)
      }
      #expect(message.contains(words) && message.contains("config.json"), "\(message)")
    }
  }

  @Test func aQuantisationIsReplacedWhereItIsSaid() {
    var whole = JSONObject([
      ("model_type", "kimi_k25"), ("text_config", ["quantization_config": ["quant_method": "fp8"], "x": 1]),
    ])
    CompositeModel.replaceQuantization(in: &whole, with: ["quant_method": "martinet"])
    #expect(whole["quantization_config"] == nil)
    #expect(whole["text_config"]?["quantization_config"]?["quant_method"] == "martinet")
    CompositeModel.replaceQuantization(in: &whole, with: nil)
    #expect(whole["text_config"]?["quantization_config"] == nil && whole["text_config"]?["x"] == 1)
    var plain = JSONObject([("model_type", "kimi_k2"), ("quantization_config", ["quant_method": "fp8"])])
    CompositeModel.replaceQuantization(in: &plain, with: nil)
    #expect(plain["quantization_config"] == nil)
  }
}
