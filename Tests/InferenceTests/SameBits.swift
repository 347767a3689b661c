import Inference
import Testing

/// Runs with the weights and cache of `base` on each of `layouts`.
func expectSameBits(_ model: String, base: Layout, layouts: [Layout]) throws {
  let golden = try Golden(model)
  // 20 and 48 tokens with a block boundary of the cache at 32, and prompts of 1 and 17 to continue past it.
  let scored = [Array(try golden.scoredIDs(2).prefix(20)), Array(try golden.scoredIDs(3).prefix(48))]
  let prompts = [try golden.prompt(0), try golden.prompt(2)]
  func result(_ layout: Layout) throws -> RunResult {
    var layout = layout
    (layout.cacheType, layout.weights) = (base.cacheType, base.weights)
    return try run(model: golden.folder, scored: scored, prompts: prompts, newTokens: 18, layout: layout)
  }
  let expected = try result(base)
  #expect(expected.logits.map(\.count) == scored.map { $0.count * expected.logits[0].count / 20 })
  for layout in layouts {
    let found = try result(layout)
    #expect(bits(found.logits) == bits(expected.logits), "logits on \(layout)")
    #expect(found.experts == expected.experts, "experts on \(layout)")
    #expect(found.weights.map { bits($0) } == expected.weights.map { bits($0) }, "weights on \(layout)")
    #expect(found.layers == expected.layers)
    #expect(found.greedy == expected.greedy, "tokens on \(layout)")
  }
}

private func bits(_ values: [[Float]]) -> [[UInt32]] { values.map { $0.map(\.bitPattern) } }
