import Bytes
import Checkpoints
import Foundation
import JSON
import Kernels
import Machine
import ModelRuntime
import MoEModel
import Tensors
import TestSupport
import Testing

/// Checkpoints whose weights other programs packed (`Tests/Reference/make_packed_checkpoints.py`).
struct PackedCheckpointTests {
  static let names = [
    "awq", "fp4_deepseek", "gptq", "gptq_v2_int8", "int4_channel_halves", "int4_group32", "int4_zeros",
    "int4_zeros_group32", "int8_group32", "mxfp4_compressed", "mxfp8_compressed", "nvfp4_compressed",
    "nvfp4_modelopt",
  ]
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures/packed")
  /// Where something is said of a form that is not held; of latent attention the half that is transposed is none.
  static let rounded = [
    "awq", "gptq", "gptq_v2_int8", "int4_zeros", "int8_group32", "nvfp4_compressed", "nvfp4_modelopt",
  ]

  private static func path(_ name: String) -> String { folder.appending(path: name).path }

  private func description(_ name: String) throws -> (DecoderDescription, HuggingFaceFolder) {
    let checkpoint = try HuggingFaceFolder(path: Self.path(name))
    return (try ModelConfiguration.read(checkpoint), checkpoint)
  }

  private func logits(_ model: String, _ weights: WeightPrecision, _ layout: Layout = Layout()) throws -> [[Float]] {
    var layout = layout
    layout.weights = weights
    let ids = (0..<17).map { Int32($0 * 7 % 48) }
    return try run(model: model, scored: [ids], prompts: [], newTokens: 1, layout: layout).logits
  }

  /// The values of all parameters, by the name of the unquantised tensor.
  private func values(_ name: String) throws -> [String: (shape: [Int], values: [Float])] {
    try values(at: Self.path(name))
  }

  private func values(at path: String) throws -> [String: (shape: [Int], values: [Float])] {
    let checkpoint = try HuggingFaceFolder(path: path)
    let description = try ModelConfiguration.read(checkpoint)
    let reader = try ParameterReader(description, checkpoint: checkpoint)
    var all: [String: (shape: [Int], values: [Float])] = [:]
    for spec in ParameterTable(description) {
      var values = [Float](repeating: 0, count: spec.elementCount)
      try values.withUnsafeMutableBufferPointer { try reader.read(spec, from: 0, into: $0) }
      all[description.names.tensor(spec.id)] = (spec.shape, values)
    }
    return all
  }

  @Test(arguments: names) func everyPackedWeightIsTheNumberItStandsFor(name: String) throws {
    let text = try String(contentsOf: Self.folder.appending(path: "\(name)/expected.json"), encoding: .utf8)
    let expected = try #require(try JSONValue(parsing: text).object)
    #expect(expected.count > 5)
    let all = try values(name)
    for (tensor, sum) in expected.members {
      let found = try #require(all[tensor], "\(tensor)").values
      let digest = found.withUnsafeBytes { SHA256.digest(Array($0)) }
      #expect(Digits.hexadecimal(digest) == sum.string, "\(tensor)")
    }
  }

  @Test(arguments: names) func packedWeightsAreRoundedOnceFromTheirValues(name: String) throws {
    var plain = RewrittenCheckpoint(config: try description(name).1.config.object!)
    plain.config["quantization_config"] = nil
    for (tensor, found) in try values(name) { plain.tensors[tensor] = .init(found.values, found.shape, as: .float32) }
    try plain.written { path in
      for weights in [WeightPrecision.f32, .bf16, .q8, .q4] {
        let expected = try logits(path, weights)
        #expect(expected[0].allSatisfy { $0.isFinite })
        #expect(try logits(Self.path(name), weights) == expected, "\(weights)")
        for sharing in [RankLayout.spread, .sliced] {
          let layout = Layout(ranks: 3, threads: 2, sharing: sharing)
          #expect(try logits(Self.path(name), weights, layout) == expected, "\(weights), \(sharing)")
        }
      }
    }
  }

  @Test(arguments: names, [WeightPrecision.auto, .mixed])
  func whatIsHeldAsStoredHasTheSameBitsEverywhere(name: String, weights: WeightPrecision) throws {
    let expected = try logits(Self.path(name), weights)
    #expect(expected[0].allSatisfy { $0.isFinite })
    for layout in [
      Layout(ranks: 2), Layout(ranks: 5), Layout(threads: 3), Layout(ranks: 2, batchTokens: 5), Layout(isa: .reference),
      Layout(ranks: 2, sharing: .sliced), Layout(ranks: 3, threads: 2, sharing: .sliced),
      Layout(ranks: 5, batchTokens: 5, sharing: .sliced),
    ] { #expect(try logits(Self.path(name), weights, layout) == expected, "\(layout)") }
  }

  /// Levels and scales are exact; what differs is that rows are rounded to eight bits.
  @Test(arguments: ["int4_group32", "int4_channel_halves", "int4_zeros_group32"])
  func integersOfFourBitsAreMultipliedAsTheyAreStored(name: String) throws {
    let (description, checkpoint) = try description(name)
    let exact = try logits(Self.path(name), .f32)[0]
    let held = try logits(Self.path(name), .auto)[0]
    let scale = exact.reduce(0) { max($0, abs($1)) }
    let worst = zip(exact, held).reduce(0) { max($0, abs($1.0 - $1.1)) }
    #expect(worst > 0 && worst < 0.04 * scale, "\(worst) of \(scale)")
    let bytes = { (weights: WeightPrecision) in
      try ModelInventory(try description.holding(weights), checkpoint: checkpoint).parts[.routedExperts]!
    }
    // Half a byte a weight, and two or three for 32 of them; panels have whole blocks of 64 columns in both.
    let (experts, rounded) = (try bytes(.mixed), try bytes(.q8))
    #expect(Double(experts.heldBytes) < 0.56 * Double(rounded.heldBytes))
  }

  /// FP8 and MXFP4 experts meet fp32 rows, and the rest 8-bit ones.
  @Test(arguments: ["deepseek_v3_fp8", "gpt_oss_mxfp4", "qwen3_moe_bf16"])
  func mixedWeightsOfPublishedFormsHaveTheSameBitsEverywhere(name: String) throws {
    let golden = try Golden(name)
    func logits(_ layout: Layout, _ weights: WeightPrecision = .mixed) throws -> [[Float]] {
      var layout = layout
      layout.weights = weights
      return try run(
        model: golden.folder, scored: [try golden.scoredIDs(0)], prompts: [], newTokens: 1, layout: layout
      ).logits
    }
    let expected = try logits(Layout())
    for layout in [Layout(ranks: 2), Layout(ranks: 3, threads: 2), Layout(isa: .reference)] {
      #expect(try logits(layout) == expected, "\(layout)")
    }
    #expect(try (logits(Layout(), .q8) == expected) == (name == "qwen3_moe_bf16"))
    #expect(try logits(Layout(), .auto) != expected)
  }

  @Test(arguments: ["gptq", "awq", "int4_group32", "nvfp4_modelopt", "mxfp4_compressed", "fp4_deepseek"])
  func aQuantisedFolderHasTheBitsOfQuantisingOnLoad(name: String) throws {
    let (description, checkpoint) = try description(name)
    try withTemporaryFolder { folder in
      for weights in [WeightPrecision.q8, .q4] {
        let path = folder.file("\(weights)")
        let plan = try QuantizationPlan(description, checkpoint: checkpoint, to: weights, widensOthers: false)
        try QuantizedCheckpoint(plan, checkpoint: checkpoint, precision: weights).write(
          to: path, pool: try WorkerPool(workerCount: 2)
        ) { _ in }
        #expect(try logits(path, .auto) == logits(Self.path(name), weights), "\(weights)")
      }
    }
  }

  /// ModelOpt wrote what it says of its packing into a file of its own once.
  @Test func packingsAreToldByTheirTensorsWhereTheConfigurationSaysNothing() throws {
    var silent = try RewrittenCheckpoint(try HuggingFaceFolder(path: Self.path("nvfp4_modelopt")))
    silent.config["quantization_config"] = nil
    let expected = try logits(Self.path("nvfp4_modelopt"), .auto)
    #expect(try silent.written { try logits($0, .auto, Layout(ranks: 2)) } == expected)
  }

  @Test(arguments: names) func whatIsRoundedIsSaid(name: String) throws {
    let description = try description(name).0
    #expect((description.roundingNote != nil) == Self.rounded.contains(name), "\(description.roundingNote ?? "")")
    #expect(try description.holding(.mixed).roundingNote == description.roundingNote)
    #expect(try description.holding(.f32).roundingNote == nil)
    #expect(description.unreadNote == nil, "\(description.unreadNote ?? "")")
  }

  /// All routed experts take rows in one form: what is left unpacked beside integers is rounded, and that is said.
  @Test func anExpertThatIsNotPackedIsRoundedAndThatIsSaid() throws {
    var partly = try RewrittenCheckpoint(try HuggingFaceFolder(path: Self.path("int4_group32")))
    let suffix = "experts.1.down_proj.weight_packed"
    let packed = try #require(partly.tensors.keys.first { $0.hasSuffix(suffix) })
    let base = packed.dropLast("_packed".count)
    let shape = try #require(partly.tensors[packed]).shape
    for end in ["packed", "scale", "shape"] { partly.tensors["\(base)_\(end)"] = nil }
    let columns = 8 * shape[1]
    partly.tensors[String(base)] = .init(
      Array(repeating: 0.5, count: shape[0] * columns), [shape[0], columns], as: .bfloat16)
    let description = try partly.written { try ModelConfiguration.read(try HuggingFaceFolder(path: $0)) }
    #expect(description.roundingNote?.hasSuffix("1 in bf16") == true, "\(description.roundingNote ?? "")")
    #expect(try description.holding(.q8).roundingNote == nil)
  }

  @Test(arguments: [
    ("int4_group32", "weight_packed"), ("int4_group32", "weight_scale"), ("int4_group32", "weight_shape"),
    ("int4_zeros", "weight_zero_point"), ("gptq", "qweight"), ("gptq", "qzeros"), ("gptq", "scales"), ("gptq", "g_idx"),
    ("awq", "qweight"), ("awq", "qzeros"), ("awq", "scales"), ("nvfp4_modelopt", "weight_scale"),
    ("nvfp4_modelopt", "weight_scale_2"), ("nvfp4_compressed", "weight_global_scale"),
    ("mxfp4_compressed", "weight_packed"), ("mxfp4_compressed", "weight_scale"), ("fp4_deepseek", "scale"),
    ("mxfp8_compressed", "weight_scale"),
  ])
  func whatIsWrongWithAPackingNamesItsTensor(name: String, suffix: String) throws {
    let (model, checkpoint) = try description(name)
    #expect(model.layerCount > 0)
    let victim = try #require(checkpoint.names.first { $0.hasSuffix("experts.1.down_proj.\(suffix)") })
    let entry = try #require(checkpoint.tensor(victim))
    let isOptional = ["weight_shape", "weight_zero_point", "g_idx"].contains(suffix)
    let wider = [entry.shape.first.map { $0 + 1 } ?? 2] + entry.shape.dropFirst()
    let damages: [(String, RewrittenCheckpoint.Tensor?)] = [
      ("missing", nil),
      ("wider", .init(entry.type, wider, zeros(wider, entry.type))),
      ("of four dimensions", .init(entry.type, [1, 1, 1, 3], zeros([3], entry.type))),
      ("of no elements", .init(entry.type, [0], [])),
      ("of another type", .init(.float64, entry.shape, zeros(entry.shape, .float64))),
      ("full of ones", .init(entry.type, entry.shape, zeros(entry.shape, entry.type).map { _ in 0xFF })),
    ]
    for (what, tensor) in damages {
      var damaged = try RewrittenCheckpoint(checkpoint)
      damaged.tensors[victim] = tensor
      let failure = try damaged.written { path -> String? in
        do {
          _ = try logits(path, .f32)
          return nil
        } catch { return "\(error)" }
      }
      // What may be left out, and integers all of whose bits are set, are as good as others.
      let isFine = what == "missing" && isOptional || what == "full of ones" && entry.type == .int32
      if let failure {
        #expect(failure.contains("experts.1.down_proj"), "\(what): \(failure)")
      } else {
        #expect(isFine || what == "full of ones", "\(what)")
      }
    }
  }

  private func zeros(_ shape: [Int], _ type: ElementType) -> [UInt8] {
    [UInt8](repeating: 0, count: shape.reduce(1, *) * type.byteCount)
  }

  /// GPTQ's first version stores a zero less by one: the greatest, 15, is 16, which four bits do not hold.
  @Test func theGreatestZeroOfGPTQIsOneMoreThanItsBitsHold() throws {
    let (_, checkpoint) = try description("gptq")
    let zeroName = try #require(checkpoint.names.first { $0.hasSuffix("experts.1.down_proj.qzeros") })
    let base = String(zeroName.dropLast("qzeros".count))
    var changed = try RewrittenCheckpoint(checkpoint)
    changed.tensors[zeroName]!.bytes = changed.tensors[zeroName]!.bytes.map { _ in 0xFF }
    let words = try #require(changed.tensors[base + "qweight"])
    let scales = try #require(changed.tensors[base + "scales"])
    let (lines, rows) = (words.shape[0], words.shape[1])
    let found = try changed.written { path in try #require(try values(at: path)[base + "weight"]).values }
    #expect(found.count == rows * lines * 8)
    for row in 0..<rows {
      for column in 0..<(8 * lines) {
        let byte = words.bytes[(column / 8 * rows + row) * 4 + column % 8 / 2]
        let level = Float(column % 2 == 0 ? byte & 15 : byte >> 4)
        let at = (column / 32 * rows + row) * 2
        let scale = Float(Float16(bitPattern: UInt16(scales.bytes[at]) | UInt16(scales.bytes[at + 1]) << 8))
        guard found[row * lines * 8 + column] != (level - 16) * scale else { continue }
        Issue.record("row \(row), column \(column): \(found[row * lines * 8 + column])")
        return
      }
    }
  }

  @Test func columnsInAnotherOrderAreRefused() throws {
    var reordered = try RewrittenCheckpoint(try HuggingFaceFolder(path: Self.path("gptq")))
    let name = try #require(reordered.tensors.keys.first { $0.hasSuffix("q_a_proj.g_idx") })
    // The group of the first column and that of the last.
    reordered.tensors[name]!.bytes.swapAt(0, reordered.tensors[name]!.bytes.count - 4)
    let message = try reordered.written { path -> String in
      do {
        _ = try logits(path, .f32)
        return ""
      } catch { return "\(error)" }
    }
    #expect(message.contains(name) && message.contains("desc_act"), "\(message)")
  }

  static let refused: [(name: String, key: String, value: JSONValue)] = [
    ("gptq", "desc_act", true), ("gptq", "bits", 3), ("gptq", "checkpoint_format", "marlin"),
    ("awq", "version", "gemv"),
    ("awq", "bits", 8), ("nvfp4_modelopt", "quant_algo", "W4A8_AWQ"), ("int4_group32", "format", "marlin-24"),
  ]

  @Test(arguments: refused) func settingsThatAreNotReadAreRefused(name: String, key: String, value: JSONValue) throws {
    var changed = try RewrittenCheckpoint(try HuggingFaceFolder(path: Self.path(name)))
    var settings = changed.config["quantization_config"]!.object!
    settings[key] = value
    changed.config["quantization_config"] = .object(settings)
    let message = try changed.written { path -> String in
      do {
        _ = try ModelConfiguration.read(try HuggingFaceFolder(path: path))
        return ""
      } catch { return "\(error)" }
    }
    #expect(message.contains(key) && message.contains("config.json"), "\(message)")
  }
}
