import Testing

/// Every supported family against the reference implementation's outputs.
struct GoldenTests {
  @Test(arguments: Golden.names)
  func outputsAgreeWithTheReferenceImplementation(name: String) throws {
    try Self.compare(name, Layout(ranks: 2))
  }

  static func compare(_ name: String, _ layout: Layout, newTokens: Int = 32) throws {
    let golden = try Golden(name)
    let indices = 0..<golden.promptCount
    let result = try run(
      model: golden.folder, scored: try indices.map { try golden.scoredIDs($0) },
      prompts: try indices.map { try golden.prompt($0) }, newTokens: newTokens, layout: layout)
    for i in indices {
      #expect(try result.greedy[i] == golden.greedy(i), "greedy continuation of prompt \(i), \(layout)")
      let expected = try golden.floats("p\(i).logits")
      try #require(result.logits[i].count == expected.count)
      let worst = zip(result.logits[i], expected).map { abs($0 - $1) }.max()!
      #expect(worst <= 1e-3, "logits of prompt \(i) differ by \(worst), \(layout)")
      for (at, layer) in result.layers.enumerated() {
        #expect(
          try result.experts[i][at] == golden.ints("p\(i).router.\(layer).indices"),
          "routing of prompt \(i) in layer \(layer)")
        let weights = try golden.floats("p\(i).router.\(layer).weights")
        let worstWeight = zip(result.weights[i][at], weights).map { abs($0 - $1) }.max()!
        #expect(worstWeight <= 1e-4, "weights of prompt \(i) in layer \(layer) differ by \(worstWeight)")
      }
    }
  }

  /// Greedy continuation is what scoring says is likeliest: decode steps have the bits of prompts.
  static func continueAsScored(_ golden: Golden, _ prompt: [Int32]) throws {
    let drawn = try run(model: golden.folder, scored: [], prompts: [prompt], newTokens: 40, layout: Layout()).greedy[0]
    let logits = try run(
      model: golden.folder, scored: [prompt + drawn.dropLast()], prompts: [], newTokens: 1, layout: Layout()
    ).logits[0]
    let vocabulary = logits.count / (prompt.count + drawn.count - 1)
    for (i, token) in drawn.enumerated() {
      let row = logits[((prompt.count + i - 1) * vocabulary)..<((prompt.count + i) * vocabulary)]
      #expect(row.firstIndex(of: row.max()!)! - row.startIndex == Int(token))
    }
  }
}
