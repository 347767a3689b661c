import Checkpoints
import Foundation
import Inference
import JSON
import ModelRuntime
import MoEModel
import Tensors
import TestSupport
import Testing

/// Models with gated DeltaNet as llama.cpp's converter writes them (`Tests/Reference/make_gguf_families.py`): the same
/// as their folder, bit for bit.
struct GGUFHybridTests {
  private func path(_ name: String) -> String { Golden.fixtures.appending(path: "gguf/\(name).gguf").path }

  /// The folder, with rates of decay as the file has them: the last bit of an exponential is the converter's own.
  private func folder(_ name: String) throws -> RewrittenCheckpoint {
    var folder = try RewrittenCheckpoint(try Golden(name))
    let file = try CheckpointFormat.open(path(name))
    for (key, tensor) in folder.tensors where key.hasSuffix(".A_log") {
      let own = "\(key.dropLast("A_log".count))A".replacingOccurrences(of: "model.language_model.", with: "model.")
      let stored = try #require(file.tensor(own))
      let rates = try file.float32s(stored)
      for (rate, logarithm) in zip(rates, tensor.floats) {
        #expect(abs(-rate - exp(logarithm)) <= 2 * exp(logarithm).ulp, "\(key)")
      }
      folder.tensors[key] = nil
      folder.tensors["\(key.dropLast("A_log".count))A"] = .init(rates, [rates.count], as: .float32)
    }
    guard name == "qwen3_next" else { return folder }
    // Files of Qwen3-Next have experts in every layer: here the first layer's.
    folder.config["mlp_only_layers"] = []
    for key in folder.tensors.keys where key.hasPrefix("model.layers.1.mlp.") { folder.tensors[key] = nil }
    for (key, tensor) in folder.tensors where key.hasPrefix("model.layers.0.mlp.") {
      folder.tensors[key.replacingOccurrences(of: "layers.0.", with: "layers.1.")] = tensor
    }
    return folder
  }

  private func result(_ name: String, _ model: String, _ layout: Layout) throws -> RunResult {
    let golden = try Golden(name)
    return try run(
      model: model, scored: [try golden.scoredIDs(1)], prompts: [try golden.prompt(0)], newTokens: 8, layout: layout)
  }

  @Test(arguments: Golden.deltas) func outputsAreThoseOfTheFolder(name: String) throws {
    let expected = try folder(name).written { try result(name, $0, Layout()) }
    for layout in [
      Layout(), Layout(ranks: 2, threads: 2, batchTokens: 3), Layout(ranks: 2, sharing: .sliced),
      Layout(ranks: 3, threads: 2, sharing: .sliced),
    ] {
      #expect(try result(name, path(name), layout) == expected, "\(layout)")
    }
  }

  @Test(arguments: Golden.deltas, [WeightPrecision.q8, .q4, .bf16])
  func roundedWeightsAreThoseOfTheFolder(name: String, weights: WeightPrecision) throws {
    var layout = Layout()
    layout.weights = weights
    let expected = try folder(name).written { try result(name, $0, layout) }
    #expect(try result(name, path(name), layout) == expected)
  }

  @Test(arguments: Golden.deltas) func everySettingAndTensorIsRead(name: String) throws {
    let found = try ModelConfiguration.read(try CheckpointFormat.open(path(name)))
    let expected = try folder(name).written { try ModelConfiguration.read(try HuggingFaceFolder(path: $0)) }
    #expect(found.unreadNote == nil, "\(found.unreadNote ?? "")")
    /// Files have projections apart that Qwen3-Next publishes together.
    func told(_ layers: [LayerDescription]) -> String {
      "\(layers)".replacingOccurrences(of: "Projections.fused", with: "Projections.separate")
    }
    #expect(told(found.layers) == told(expected.layers) && found.family == expected.family)
    #expect("\(found.rotary)" == "\(expected.rotary)")
    #expect("\(String(describing: found.moe))" == "\(String(describing: expected.moe))")
    #expect(found.maximumPositions == expected.maximumPositions && found.tiedEmbeddings == expected.tiedEmbeddings)
    #expect(!found.normsAddOne && found.storesDecayRates && found.predictionLayerCount == 0)
  }

  /// Layers past the last are the module that is published beside the model.
  @Test func theModuleIsThatOfTheFolder() throws {
    let twin = try PredictionFixture("qwen3_5_moe")
    var whole = try folder("qwen3_5_moe")
    twin.put(into: &whole)
    let file = Golden.fixtures.appending(path: "prediction/qwen3_5_moe.gguf").path
    let read = try ModelConfiguration.read(try CheckpointFormat.open(file))
    #expect(read.predictionLayerCount == 1 && read.outerPredictionLayerCount == 0 && read.unreadNote == nil)
    let found = try ModuleReading(of: file, twin.ids)
    let expected = try whole.written { try ModuleReading(of: $0, twin.ids) }
    #expect(found.hidden == expected.hidden && found.logits == expected.logits)
    #expect(found.guesses == ModuleReading.greatest(twin.logits, of: 64))
    try ModuleReading.holdDrafts(of: file, [SpeculatedLayout(mode: .mtp, ranks: 2), SpeculatedLayout(mode: .auto)])
  }

  /// Where blocks run across heads, rows are expanded and their columns put in order.
  @Test(arguments: ["qwen3_5", "qwen3_5_moe"], [WeightPrecision.auto, .q8, .q4])
  func columnsInTilesAreThoseOfTheFolder(name: String, weights: WeightPrecision) throws {
    let golden = try Golden(name)
    var layout = Layout()
    layout.weights = weights
    let expected = try result(name, golden.folder, layout)
    var tiled = try RewrittenCheckpoint(golden)
    let (keys, each, width) = (2, 2, 5)
    for (key, tensor) in tiled.tensors where key.hasSuffix("linear_attn.out_proj.weight") {
      let (rows, size) = (tensor.shape[0], tensor.type.block.byteCount)
      var bytes: [UInt8] = []
      for row in 0..<rows {
        for number in 0..<each {
          for head in 0..<keys {
            let place = (row * keys * each + head * each + number) * width * size
            bytes += tensor.bytes[place..<(place + width * size)]
          }
        }
      }
      tiled.tensors[key] = nil
      let name = key.replacingOccurrences(of: "out_proj.", with: "out_proj_tiled.")
      tiled.tensors[name] = .init(tensor.type, tensor.shape, bytes)
    }
    for sharing in [RankLayout.spread, .sliced] {
      (layout.ranks, layout.sharing) = (2, sharing)
      let found = try tiled.written { try result(name, $0, layout) }
      #expect(found == expected, "\(sharing)")
    }
  }

  /// What is learnt are the logarithms of rates, which files lack.
  @Test(arguments: Golden.deltas) func filesAreNotTrained(name: String) throws {
    let file = try CheckpointFormat.open(path(name))
    let found = try ModelConfiguration.read(file)
    #expect(throws: ModelError.self) { try ParameterReader(found, checkpoint: file) }
    let golden = try CheckpointFormat.open(try Golden(name).folder)
    _ = try ParameterReader(try ModelConfiguration.read(golden), checkpoint: golden)
  }

  /// A rate above zero would let states grow without bound.
  @Test func ratesOfDecayAboveZeroAreRefused() throws {
    var folder = try folder("qwen3_5")
    for (key, tensor) in folder.tensors where key.hasSuffix("linear_attn.A") {
      folder.tensors[key] = .init(tensor.floats.map { -$0 }, tensor.shape, as: .float32)
    }
    do {
      _ = try folder.written { try result("qwen3_5", $0, Layout()) }
      Issue.record("a rate above zero is taken")
    } catch {
      #expect("\(error)".contains("holds a rate above 0"), "\(error)")
    }
  }
}
