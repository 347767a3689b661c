import Inference
import Kernels
import Testing

/// What a cache of levels changes in a model's outputs, on models of random weights, whose routers and heads hardly
/// prefer anything: a little noise chooses other experts there. `score` holds it to text on a model that was trained.
struct RoundedCacheTests {
  private struct Difference {
    /// Root mean square of the difference, over the standard deviation.
    var relative = 0.0
    /// Share of positions at which the same token is the likeliest.
    var agreement = 0.0
  }

  private func difference(_ model: String, _ type: CacheType) throws -> Difference {
    let golden = try Golden(model)
    let ids = try golden.scoredIDs(golden.promptCount > 3 ? 3 : 2)
    func logits(_ type: CacheType) throws -> [Float] {
      try run(
        model: golden.folder, scored: [ids], prompts: [], newTokens: 0, layout: Layout(cacheType: type)
      ).logits[0]
    }
    let (exact, rounded) = (try logits(.f32), try logits(type))
    try #require(exact.count == rounded.count && exact.count % ids.count == 0)
    #expect(rounded.allSatisfy { $0.isFinite })
    let count = Double(exact.count)
    let mean = exact.reduce(0.0) { $0 + Double($1) } / count
    let variance = exact.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count
    let square = zip(exact, rounded).reduce(0.0) { $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1)) }
    let width = exact.count / ids.count
    func likeliest(_ logits: [Float], _ row: Int) -> Int {
      let own = logits[(row * width)..<((row + 1) * width)]
      return own.firstIndex(of: own.max()!)! - row * width
    }
    let same = ids.indices.filter { likeliest(exact, $0) == likeliest(rounded, $0) }.count
    return Difference(
      relative: (square / count / variance).squareRoot(), agreement: Double(same) / Double(ids.count))
  }

  /// Without a router nothing is amplified.
  @Test(arguments: ["qwen2", "qwen3", "llama"]) func logitsOfDenseModelsHardlyChange(model: String) throws {
    let found = try difference(model, .q8)
    #expect(found.relative > 0 && found.relative < 0.05 && found.agreement >= 0.9, "\(found)")
    let half = try difference(model, .bf16)
    #expect(half.relative < found.relative, "\(half), \(found)")
  }

  @Test(arguments: Golden.names.filter { !["qwen2", "qwen3", "llama"].contains($0) })
  func theLikeliestTokensAreMostlyTheSame(model: String) throws {
    let found = try difference(model, .q8)
    #expect(found.relative > 0 && found.relative < 0.5 && found.agreement >= 0.7, "\(found)")
  }
}
