import Testing

@testable import Inference

struct SchedulerLimitsTests {
  /// Rows of logits as in `SessionOptions.limits`.
  @Test(arguments: [(512, 129_280, 5), (512, 1000, 5), (8192, 151_936, 7), (512, 20_000_000, 4), (3, 1000, 5)])
  func logitsOfBlocksTakeNoMoreThanThoseOfScoring(batchTokens: Int, vocabularySize: Int, size: Int) {
    var limits = SchedulerLimits()
    limits.batchTokens = batchTokens
    limits.scoredRows = max(1, (64 << 20) / (vocabularySize * 4))
    let count = limits.blockCount(size: size)
    #expect(count * size <= batchTokens)
    #expect(count <= 1 || count * size <= limits.scoredRows)
    // As many as there can be.
    #expect((count + 1) * size > min(batchTokens, max(limits.scoredRows, size)))
  }
}
