import Checkpoints
import Kernels
import Testing

@testable import MoEModel

/// Slices divide what there is: each part goes to somebody, and as evenly as it can.
struct ModelSliceTests {
  private func slices(_ ranks: Int, dividesExperts: Bool = false) -> [ModelSlice] {
    (0..<ranks).map { ModelSlice(rank: $0, of: ranks, dividesExperts: dividesExperts) }
  }

  @Test func rowsAreDividedWithoutGapsOrOverlaps() {
    for ranks in 1...9 {
      for count in Array(0...300) + [2048, 7168, 129_280] {
        let ranges = ModelSlice(rank: 0, of: ranks, dividesExperts: true).ranges(of: count)
        #expect(ranges.count == ranks && ranges[0].lowerBound == 0 && ranges[ranks - 1].upperBound == count)
        #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound }, "\(count) on \(ranks)")
        let sizes = ranges.map(\.count)
        #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 64 + count % 64, "\(count) on \(ranks)")
      }
    }
  }

  @Test func headsAreDividedWithTheKeysTheyMeet() {
    for keyHeads in 1...9 {
      for perKey in 1...5 {
        let attention = GroupedAttention(
          headCount: keyHeads * perKey, keyValueHeadCount: keyHeads, headDims: 8, queryKeyNorm: .none,
          projectionBias: false, outputBias: false, clip: nil, hasSinks: false)
        for ranks in 1...12 {
          let heads = ModelSlice(rank: 0, of: ranks, dividesExperts: true).heads(of: attention)
          #expect(heads.flatMap { Array($0.queries) } == Array(0..<(keyHeads * perKey)))
          #expect(Set(heads.flatMap { Array($0.keys) }) == Set(0..<keyHeads))
          for (queries, keys) in heads {
            #expect(queries.allSatisfy { keys.contains($0 / perKey) })
            // A layer of these heads alone has as many queries to each key.
            #expect(keys.isEmpty ? queries.isEmpty : queries.count % keys.count == 0)
            #expect(keys.count < 2 || queries.count == keys.count * perKey)
          }
        }
      }
    }
  }

  /// Ranks hold all of a model together, and little of it twice.
  @Test(
    arguments: [
      "deepseek_v3", "deepseek_v3_fp8", "deepseek_v32", "qwen3_moe", "gpt_oss_mxfp4", "llama", "olmoe",
      "qwen3_next", "qwen3_5",
    ],
    [2, 3, 5, 8])
  func ranksHoldAModelTogether(golden: String, ranks: Int) throws {
    let folder = try HuggingFaceFolder(path: Configuration.folder(golden))
    let description = try ModelConfiguration.read(folder)
    func budget(_ description: DecoderDescription) throws -> WeightBudget {
      try WeightBudget.measure(description, checkpoint: folder, workerCount: 2) { _, _ in false }
    }
    let whole = try budget(description)
    let parts = try slices(ranks).map { try budget(description.sliced($0)) }
    func all(_ description: DecoderDescription) throws -> WeightBudget {
      try WeightBudget.measure(description, checkpoint: folder, workerCount: 1) { _, _ in true }
    }
    // Experts' rows are divided without a rest.
    let divided = try slices(ranks, dividesExperts: true).map { slice in
      try all(description.sliced(slice)).elementCount - budget(description.sliced(slice)).elementCount
    }
    #expect(divided.reduce(0, +) == (try all(description).elementCount) - whole.elementCount)
    #expect(parts.allSatisfy { $0.elementCount < whole.elementCount })
    #expect(parts.reduce(0) { $0 + $1.elementCount } >= whole.elementCount)
    #expect(parts.reduce(0) { $0 + $1.storedBytes } >= whole.storedBytes)
    let cache = slices(ranks).map { KeyValueCache.blockByteCount(description.sliced($0), type: .f32) }
    #expect(cache.allSatisfy { $0 <= KeyValueCache.blockByteCount(description, type: .f32) })
  }

  /// Heads of gated DeltaNet go to ranks with what they meet, and the rows of each matrix with them, whichever way
  /// these are stored.
  @Test(arguments: [GatedDelta.Projections.fused, .separate])
  func deltaHeadsAreDividedWithTheirRows(projections: GatedDelta.Projections) {
    for (keyHeads, perKey) in [(1, 1), (2, 2), (3, 1), (4, 3), (16, 2)] {
      let delta = GatedDelta(
        keyHeadCount: keyHeads, valueHeadCount: keyHeads * perKey, keyDims: 3, valueDims: 5, taps: 4,
        projections: projections)
      for ranks in 1...9 {
        let slices = slices(ranks)
        let heads = slices[0].heads(of: delta)
        #expect(heads.flatMap { Array($0.values) } == Array(0..<delta.valueHeadCount))
        for (slice, (values, keys)) in zip(slices, heads) {
          guard case .delta(let own) = slice.own(.delta(delta)) else { continue }
          #expect(own.keyHeadCount == keys.count && own.valueHeadCount == values.count)
          #expect(keys.isEmpty == values.isEmpty && values.allSatisfy { keys.contains($0 / perKey) })
          let channels = delta.channelRuns(keys: keys, values: values)
          let rows = delta.inputRows(keys: keys, values: values)
          let betas = delta.betaRows(keys: keys, values: values)
          #expect(channels.reduce(0) { $0 + $1.count } == own.channels)
          let isFused = projections == .fused
          #expect(rows.reduce(0) { $0 + $1.count } == own.channels + (isFused ? own.valueWidth : 0))
          #expect(betas.reduce(0) { $0 + $1.count } == (isFused ? 2 : 1) * own.valueHeadCount)
          // Of a whole model's rows, in the order of its heads, those of this rank in the order of its own.
          func names(_ delta: GatedDelta, keys: Range<Int>, values: Range<Int>) -> [String] {
            let each = { (key: Int) in values.filter { $0 / perKey == key } }
            guard isFused else {
              return keys.flatMap { k in (0..<3).map { "q\(k) \($0)" } }
                + keys.flatMap { k in (0..<3).map { "k\(k) \($0)" } }
                + values.flatMap { v in (0..<5).map { "v\(v) \($0)" } }
            }
            return keys.flatMap { k in
              (0..<3).map { "q\(k) \($0)" } + (0..<3).map { "k\(k) \($0)" }
                + each(k).flatMap { v in (0..<5).map { "v\(v) \($0)" } }
                + each(k).flatMap { v in (0..<5).map { "g\(v) \($0)" } }
            }
          }
          let all = names(delta, keys: 0..<keyHeads, values: 0..<delta.valueHeadCount)
          #expect(rows.joined().map { all[$0] } == names(own, keys: keys, values: values))
        }
      }
    }
  }

  /// A prediction module is divided as a layer is.
  @Test func aPredictionModuleIsDividedToo() throws {
    let folder = try HuggingFaceFolder(path: Configuration.folder("deepseek_v3_fp8"))
    let plain = try ModelConfiguration.read(folder)
    let description = plain.predicting()
    #expect(description.slicingObstacle == nil)
    func count(_ description: DecoderDescription) throws -> Int {
      try WeightBudget.measure(description, checkpoint: folder, workerCount: 1) { _, _ in true }.elementCount
    }
    let module = try count(description) - count(plain)
    for ranks in [2, 3, 5, 8] {
      let parts = try slices(ranks, dividesExperts: true).map {
        try count(description.sliced($0)) - count(plain.sliced($0))
      }
      #expect(parts.allSatisfy { $0 < module } && parts.reduce(0, +) >= module, "\(parts) of \(module)")
    }
  }
}
