import Checkpoints
import Foundation
import Inference
import JSON
import Machine
import ModelRuntime
import MoEModel
import Tensors
import TestSupport
import Testing

/// A model is the same whether its folder is read or the GGUF file made of it.
struct GGUFTests {
  private static let names = Golden.names.filter { !["deepseek_v3_fp8", "gpt_oss_mxfp4"].contains($0) }

  private func written<Result>(_ form: GGUFGolden, _ golden: Golden, _ body: (String) throws -> Result) throws -> Result
  {
    try withTemporaryFolder { folder in try body(folder.write(try form.file(of: golden).bytes, as: "model.gguf")) }
  }

  private func result(_ golden: Golden, _ model: String, _ layout: Layout = Layout()) throws -> RunResult {
    try run(model: model, scored: [try golden.scoredIDs(0)], prompts: [], newTokens: 1, layout: layout)
  }

  /// The form that holds a golden's weights exactly.
  private func exact(_ name: String) -> GGUFGolden {
    var form = GGUFGolden()
    if name.hasSuffix("_bf16") { form.kind = .bfloat16 }
    return form
  }

  @Test(arguments: names) func logitsAreThoseOfTheFolder(name: String) throws {
    let golden = try Golden(name)
    let expected = try result(golden, golden.folder)
    try written(exact(name), golden) { path in
      for layout in [Layout(), Layout(ranks: 2, threads: 2, batchTokens: 3)] {
        let found = try result(golden, path, layout)
        #expect(found == expected, "\(layout)")
      }
    }
  }

  /// Latents' up-projections are cut up by heads in two tensors, whose ranks take their own.
  @Test(arguments: ["deepseek_v3", "deepseek_v2_lite", "glm4_moe_lite", "gpt_oss", "llama", "mixtral", "qwen2_moe"])
  func slicesOfItAreThoseOfTheFolder(name: String) throws {
    let golden = try Golden(name)
    let expected = try result(golden, golden.folder)
    try written(exact(name), golden) { path in
      for ranks in [2, 3, 5] {
        let found = try result(golden, path, Layout(ranks: ranks, threads: 1 + ranks % 2, sharing: .sliced))
        #expect(found == expected, "\(ranks) ranks")
      }
    }
  }

  @Test(arguments: names) func settingsAreThoseOfTheFolder(name: String) throws {
    let golden = try Golden(name)
    let expected = try ModelConfiguration.read(try CheckpointFormat.open(golden.folder))
    try written(exact(name), golden) { path in
      let found = try ModelConfiguration.read(try CheckpointFormat.open(path))
      // All of these are computed alike, and files tell them apart by their tokenizers only.
      let kin = ["deepseek_v3", "kimi_k2", "glm4_moe_lite"]
      #expect(found.family == expected.family || kin.contains(found.family) && kin.contains(expected.family))
      #expect("\(found.rotary)" == "\(expected.rotary)" && "\(found.layers)" == "\(expected.layers)")
      #expect("\(String(describing: found.moe))" == "\(String(describing: expected.moe))")
      #expect(found.vocabularySize == expected.vocabularySize && found.hiddenSize == expected.hiddenSize)
      #expect(found.maximumPositions == expected.maximumPositions && found.normEpsilon == expected.normEpsilon)
      #expect(found.tiedEmbeddings == expected.tiedEmbeddings && found.denseHasBias == expected.denseHasBias)
      #expect(found.predictionLayerCount == expected.predictionLayerCount)
      #expect(found.unreadNote == nil, "\(found.unreadNote ?? "")")
    }
  }

  @Test(arguments: ["deepseek_v3", "deepseek_v2_lite", "glm4_moe_lite"], [GGUFGolden.Latent.whole, .both])
  func everyFormOfTheLatentsUpProjectionIsTheSame(name: String, latent: GGUFGolden.Latent) throws {
    let golden = try Golden(name)
    let expected = try result(golden, golden.folder)
    var form = GGUFGolden()
    form.latent = latent
    let found = try written(form, golden) { try result(golden, $0) }
    #expect(found == expected)
  }

  @Test(arguments: ["qwen3_moe", "gpt_oss", "mixtral", "minimax_m2"])
  func gateAndUpInOneTensorAreThoseApart(name: String) throws {
    let golden = try Golden(name)
    let expected = try result(golden, golden.folder)
    var form = GGUFGolden()
    form.fusesExperts = true
    let found = try written(form, golden) { try result(golden, $0) }
    #expect(found == expected)
  }

  /// Rounded weights too: what is held is what would be of the folder.
  @Test(arguments: ["deepseek_v3", "llama", "gpt_oss"], [WeightPrecision.q8, .q4, .bf16])
  func roundedWeightsAreThoseOfTheFolder(name: String, weights: WeightPrecision) throws {
    let golden = try Golden(name)
    var layout = Layout()
    layout.weights = weights
    let expected = try result(golden, golden.folder, layout)
    let found = try written(exact(name), golden) { try result(golden, $0, layout) }
    #expect(found == expected)
  }

  /// Halves of an up-projection that lie apart are read as the whole, in any pieces.
  @Test(arguments: ["deepseek_v3", "llama", "gpt_oss", "qwen2_moe"])
  func parametersAreThoseOfTheFolder(name: String) throws {
    let golden = try Golden(name)
    let folder = try CheckpointFormat.open(golden.folder)
    let description = try ModelConfiguration.read(folder)
    let expected = try ParameterReader(description, checkpoint: folder)
    try written(exact(name), golden) { path in
      let file = try CheckpointFormat.open(path)
      let reader = try ParameterReader(try ModelConfiguration.read(file), checkpoint: file)
      for spec in ParameterTable(description) {
        let count = spec.elementCount
        var (a, b) = ([Float](repeating: 0, count: count), [Float](repeating: 1, count: count))
        try a.withUnsafeMutableBufferPointer { try expected.read(spec, from: 0, into: $0) }
        try b.withUnsafeMutableBufferPointer { buffer in
          for first in stride(from: 0, to: count, by: max(1, count / 3 + 1)) {
            let part = first..<min(first + count / 3 + 1, count)
            try reader.read(spec, from: first, into: UnsafeMutableBufferPointer(rebasing: buffer[part]))
          }
        }
        #expect(a == b, "\(spec.id)")
      }
    }
  }

  /// Half precision and blocks are near, as long as every token goes to the same experts; and no layout changes a bit.
  @Test(arguments: ["llama", "qwen2", "qwen3_moe", "deepseek_v3"], [GGUFGolden.Kind.float16, .q80])
  func coarserTypesAreNear(name: String, kind: GGUFGolden.Kind) throws {
    let golden = try Golden(name)
    let expected = try result(golden, golden.folder)
    var form = GGUFGolden()
    form.kind = kind
    try written(form, golden) { path in
      let found = try result(golden, path)
      for sharing in [RankLayout.spread, .sliced] {
        let again = try result(golden, path, Layout(ranks: 2, threads: 2, batchTokens: 3, sharing: sharing))
        #expect(again == found && found != expected, "\(sharing)")
      }
      guard found.experts == expected.experts else { return }
      let share = difference(found.logits[0], expected.logits[0])
      #expect(share < (kind == .float16 ? 0.01 : 0.1), "logits differ by \(share) of their spread")
    }
  }

  /// The root of the mean square of what differs, in shares of that of the numbers.
  private func difference(_ a: [Float], _ b: [Float]) -> Float {
    let error = zip(a, b).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return (error / b.reduce(0) { $0 + $1 * $1 }).squareRoot()
  }

  /// What `quantize` writes of it loads as the folder does with `--weights`.
  @Test(arguments: ["deepseek_v3", "gpt_oss", "llama"]) func quantisedItIsTheFolderQuantised(name: String) throws {
    let golden = try Golden(name)
    var layout = Layout()
    layout.weights = .q8
    let expected = try result(golden, golden.folder, layout)
    try withTemporaryFolder { folder in
      let path = folder.write(try exact(name).file(of: golden).bytes, as: "model.gguf")
      let checkpoint = try CheckpointFormat.open(path)
      let plan = try QuantizationPlan(
        try ModelConfiguration.read(checkpoint), checkpoint: checkpoint, to: .q8, widensOthers: false)
      let pool = try WorkerPool(cores: [0, 0], pin: false, oversubscribed: true)
      let out = folder.file("out")
      try QuantizedCheckpoint(plan, checkpoint: checkpoint, precision: .q8).write(to: out, pool: pool) { _ in }
      let found = try result(golden, out)
      #expect(found == expected)
    }
  }

  /// `Fixtures/gguf`: what gguf-py wrote, in Q4_0, and in F32 where rows do not fall into blocks.
  @Test func aFileOfAnotherProgramHoldsTheGoldensFirstLayer() throws {
    let folder = try CheckpointFormat.open(try Golden("deepseek_v3").folder)
    let file = try CheckpointFormat.open(Golden.fixtures.appending(path: "gguf/deepseek_v3.gguf").path)
    let description = try ModelConfiguration.read(file)
    #expect(description.family == "deepseek_v3" && description.layerCount == 1 && description.unreadNote == nil)
    let expected = try ParameterReader(try ModelConfiguration.read(folder), checkpoint: folder)
    let found = try ParameterReader(description, checkpoint: file)
    var coarse = 0
    for spec in ParameterTable(description) {
      let count = spec.elementCount
      var (a, b) = ([Float](repeating: 0, count: count), [Float](repeating: 1, count: count))
      try a.withUnsafeMutableBufferPointer { try expected.read(spec, from: 0, into: $0) }
      try b.withUnsafeMutableBufferPointer { try found.read(spec, from: 0, into: $0) }
      guard a != b else { continue }
      coarse += 1
      // Levels are an eighth of a block's largest apart; the largest of the other sign is cut by one.
      let largest = a.map { abs($0) }.max() ?? 0
      let worst = zip(a, b).map { abs($0 - $1) }.max() ?? 0
      #expect(spec.isMatrix && worst <= largest / 7, "\(spec.id): \(worst) of \(largest)")
    }
    #expect(coarse > 3)
  }

  @Test func aPredictionModuleIsCountedAndLeftOut() throws {
    let golden = try Golden("glm4_moe_lite")
    try written(GGUFGolden(), golden) { path in
      let file = try CheckpointFormat.open(path)
      #expect(file.config["num_nextn_predict_layers"]?.exactInt == 1)
      #expect(try ModelConfiguration.read(file).predictionLayerCount == 1)
      #expect(file.holds("model.layers.3.eh_proj.weight") && file.holds("model.layers.3.shared_head.head.weight"))
    }
  }

  @Test func aTensorOfALayerThatNobodyReadsIsRefused() throws {
    let golden = try Golden("qwen3")
    var file = try GGUFGolden().file(of: golden)
    file.tensors.append(.init("blk.1.attn_of_the_future.weight", [1], floats: [1]))
    let bytes = file.bytes
    try withTemporaryFolder { folder in
      let path = folder.write(bytes, as: "m.gguf")
      let checkpoint = try CheckpointFormat.open(path)
      let unread = ModelError.unreadTensors(["model.layers.1.attn_of_the_future.weight"])
      #expect(throws: ModelError.inFile(path, unread)) { _ = try ModelConfiguration.read(checkpoint) }
    }
  }

  /// What is wrong with the model in a file is said of the file: there is no config.json to correct, and no shard.
  @Test func whatAModelLacksIsSaidOfItsFile() throws {
    let golden = try Golden("qwen3")
    let whole = try GGUFGolden().file(of: golden)
    func failure(_ change: (inout GGUFBytes) -> Void) -> String {
      var file = whole
      change(&file)
      return withTemporaryFolder { folder in
        let path = folder.write(file.bytes, as: "m.gguf")
        do {
          _ = try ModelConfiguration.read(try CheckpointFormat.open(path))
          return ""
        } catch {
          #expect("\(error)".contains(path), "\(error)")
          return "\(error)"
        }
      }
    }
    #expect(failure { _ in } == "")
    let messages = [
      failure { file in file.tensors.removeAll { $0.name == "blk.1.ffn_norm.weight" } },
      failure { file in file.tensors.append(.init("blk.1.attn_of_the_future.weight", [1], floats: [1])) },
      failure { file in
        guard let place = file.tensors.firstIndex(where: { $0.name == "blk.1.ffn_norm.weight" }) else { return }
        file.tensors[place] = .init("blk.1.ffn_norm.weight", [1], floats: [1])
      },
    ]
    for message in messages {
      #expect(message.contains("convert the model anew") && !message.contains("config.json"), "\(message)")
      #expect(message.contains("model.layers.1."), "\(message)")
    }
  }
}
