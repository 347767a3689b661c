import Checkpoints
import Inference
import Kernels
import ModelRuntime
import MoEModel
import Tensors
import Testing

/// Models whose matrices are stored in GGUF's blocks, some beside others that are not.
struct BlockedModelTests {
  /// A golden's matrices in blocks, where rows have whole ones, and the values of those blocks in F32.
  private struct Forms {
    let blocked: MemoryCheckpoint
    let expanded: MemoryCheckpoint

    init(_ name: String, _ type: ElementType) throws {
      let folder = try CheckpointFormat.open(Golden(name).folder)
      func form(_ entry: TensorEntry, _ bytes: [UInt8]) -> (blocks: [UInt8], values: [UInt8])? {
        guard entry.shape.count == 2, entry.shape[1] % type.block.length == 0, !entry.name.hasSuffix(".gate.weight"),
          !entry.name.hasSuffix("bias"),
          let format = WeightFormat(type), let stored = WeightFormat(entry.type)
        else { return nil }
        var values = [Float](repeating: 0, count: entry.elementCount)
        PanelWriter.expand(stored, bytes, count: values.count, into: &values)
        let blocks = stride(from: 0, to: values.count, by: 32).flatMap {
          Self.block(Array(values[$0..<($0 + 32)]), type)
        }
        var back = [Float](repeating: 0, count: values.count)
        PanelWriter.expand(format, blocks, count: values.count, into: &back)
        return (blocks, back.withUnsafeBytes { Array($0) })
      }
      blocked = try MemoryCheckpoint(copying: folder) { entry, bytes in
        form(entry, bytes).map { (type, $0.blocks) } ?? (entry.type, bytes)
      }
      expanded = try MemoryCheckpoint(copying: folder) { entry, bytes in
        form(entry, bytes).map { (.float32, $0.values) } ?? (entry.type, bytes)
      }
    }

    /// 32 values as Q8_0 or Q4_0.
    private static func block(_ values: [Float], _ type: ElementType) -> [UInt8] {
      let largest = values.map(abs).max() ?? 0
      let scale = Float16(largest / (type == .q80 ? 127 : 7))
      let levels = values.map { scale == 0 ? 0 : Int(($0 / Float(scale)).rounded()) }
      let half = [UInt8(truncatingIfNeeded: scale.bitPattern), UInt8(scale.bitPattern >> 8)]
      if type == .q80 { return half + levels.map { UInt8(truncatingIfNeeded: max(-127, min(127, $0))) } }
      let codes = levels.map { UInt8(max(0, min(15, $0 + 8))) }
      return half + (0..<16).map { codes[$0] | codes[$0 + 16] << 4 }
    }
  }

  private static let names = ["deepseek_v3", "glm4_moe", "gpt_oss", "qwen3_moe"]

  private func logits(_ checkpoint: MemoryCheckpoint, _ name: String, _ layout: Layout) throws -> [Float] {
    let prompt = try Golden(name).scoredIDs(0)
    return try run(opening: { checkpoint }, scored: [prompt], prompts: [], newTokens: 1, layout: layout).logits[0]
  }

  @Test(arguments: names, [ElementType.q80, .q40])
  func whatIsExpandedOnLoadingIsWhatTheBlocksHold(name: String, type: ElementType) throws {
    let forms = try Forms(name, type)
    #expect(forms.blocked.entries.contains { $0.type == type })
    for weights in [WeightPrecision.f32, .bf16, .q8] {
      var layout = Layout()
      layout.weights = weights
      #expect(try logits(forms.blocked, name, layout) == logits(forms.expanded, name, layout), "\(weights)")
    }
  }

  @Test(arguments: names, [ElementType.q80, .q40])
  func productsWithBlocksAreThoseOfTheirValuesButForRoundedRows(name: String, type: ElementType) throws {
    let forms = try Forms(name, type)
    let exact = try logits(forms.expanded, name, Layout())
    let found = try logits(forms.blocked, name, Layout())
    #expect(found != exact && found.allSatisfy(\.isFinite))
    let error = zip(found, exact).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
    let size = exact.reduce(0.0) { $0 + Double($1 * $1) }
    // A row's levels have 7 bits, and there are few layers; but a token may meet another expert, whose weights are as
    // random.
    #expect(error < 0.2 * size, "\(error) of \(size)")
  }

  @Test(arguments: names) func noLayoutChangesABit(name: String) throws {
    let forms = try Forms(name, .q40)
    let expected = try logits(forms.blocked, name, Layout())
    for (i, (ranks, threads, tokens)) in [(1, 2, 5), (2, 1, 512), (3, 2, 1), (4, 1, 7)].enumerated() {
      var layout = Layout(ranks: ranks, threads: threads, batchTokens: tokens)
      layout.isa = InstructionSet.supported[i % InstructionSet.supported.count]
      #expect(try logits(forms.blocked, name, layout) == expected, "\(layout)")
      layout.sharing = .sliced
      #expect(try logits(forms.blocked, name, layout) == expected, "\(layout)")
    }
  }

  @Test func whatIsRoundedIsTold() throws {
    func note(_ checkpoint: MemoryCheckpoint, _ weights: WeightPrecision) throws -> String? {
      try ModelConfiguration.read(checkpoint).holding(weights).roundingNote
    }
    let forms = try Forms("deepseek_v3", .q80)
    #expect(try note(forms.expanded, .auto) == nil && note(forms.blocked, .q8) == nil)
    // Whoever asks for eight bits everywhere is not told of them.
    #expect(try note(forms.blocked, .mixed) == nil)
    // Rows of 48 and of 80 columns are no whole blocks; of the up-projection of keys blocks run across rows.
    let found = try #require(try note(forms.blocked, .auto))
    #expect(found.contains(" in f32") && found.contains(" in q8_0"), "\(found)")
  }

  @Test func aScaleThatIsNoNumberIsNamed() throws {
    let folder = try CheckpointFormat.open(Golden("olmoe").folder)
    let name = "model.layers.0.self_attn.o_proj.weight"
    let damaged = try MemoryCheckpoint(copying: folder) { entry, bytes in
      guard entry.name == name else { return (entry.type, bytes) }
      let count = entry.elementCount / 32
      var blocks = [UInt8](repeating: 0, count: count * 34)
      // The third row's last block.
      (blocks[(3 * entry.shape[1] / 32 - 1) * 34], blocks[(3 * entry.shape[1] / 32 - 1) * 34 + 1]) = (0, 0x7C)
      return (.q80, blocks)
    }
    let error = #expect(throws: (any Error).self) { try logits(damaged, "olmoe", Layout()) }
    let expected = ModelError.invalidBlockScale(tensor: name, row: 2)
    #expect(error.map { "\($0)".contains("\(expected)") } ?? false, "\(String(describing: error))")
  }
}
