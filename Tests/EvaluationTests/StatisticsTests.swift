import Foundation
import JSON
import Testing

@testable import Evaluation

/// Statistics against values from their definitions (`Tests/Reference/make_evaluation_values.py`).
@Suite struct StatisticsTests {
  private let values: JSONValue

  init() throws {
    let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/evaluation/values.json")
    values = try JSONValue(parsing: Array(try Data(contentsOf: path)))
  }

  private func isNear(_ a: Double, _ b: Double?) -> Bool { b.map { abs(a - $0) < 1e-12 } ?? false }

  @Test func intervalsAreWilsons() throws {
    for value in try #require(values["wilson"]?.array) {
      let (right, n) = (try #require(value["successes"]?.exactInt), try #require(value["n"]?.exactInt))
      let scores = (0..<n).map { $0 < right ? 1.0 : 0.0 }
      let share = try #require(Proportion(scores))
      #expect(isNear(share.interval.lowerBound, value["interval"]?.array?[0].double), "\(right) of \(n)")
      #expect(isNear(share.interval.upperBound, value["interval"]?.array?[1].double), "\(right) of \(n)")
      // Each alone in its cluster: the same but for the error's n − 1.
      let alone = try #require(Proportion(scores, clusters: (0..<n).map { "\($0)" }))
      if right > 0, right < n { #expect(isNear(alone.interval.lowerBound, share.interval.lowerBound)) }
    }
    #expect(Proportion([]) == nil && Proportion([1], clusters: []) == nil)
  }

  @Test func errorsAreClustered() throws {
    let given = try #require(values["clustered"])
    func numbers(_ name: String) -> [Double] { given[name]?.array?.compactMap(\.double) ?? [] }
    let (first, second) = (numbers("values"), numbers("others"))
    let clusters = try #require(given["clusters"]?.array).compactMap(\.string)
    let share = try #require(Proportion(first, clusters: clusters))
    #expect(isNear(share.standardError, given["clustered_error"]?.double))
    #expect(isNear(try #require(Proportion(first)).standardError, given["plain_error"]?.double))
    #expect(share.clusterCount == Set(clusters).count && share.count == 60)
    let pair = try #require(PairedComparison(first, second, clusters: clusters))
    #expect(isNear(pair.difference, given["difference"]?.double))
    #expect(isNear(pair.standardError, given["difference_error"]?.double))
    #expect(pair.onlyFirst == given["only_first"]?.exactInt && pair.onlySecond == given["only_second"]?.exactInt)
  }

  @Test func oneClusterOfEqualAnswersIsOneTrial() throws {
    let share = try #require(Proportion([1, 1, 1], clusters: ["a", "a", "a"]))
    #expect(share.interval == Proportion.wilson(1, trials: 1))
  }

  @Test func unevenSplitsAreAsImprobableAsTheyAre() throws {
    for value in try #require(values["mcnemar"]?.array) {
      let (first, second) = (try #require(value["first"]?.exactInt), try #require(value["second"]?.exactInt))
      let p = PairedComparison.mcNemar(first, second)
      #expect(abs(p - (value["p"]?.double ?? .nan)) < 1e-10, "\(first), \(second): \(p)")
      #expect(p == PairedComparison.mcNemar(second, first))
    }
  }

  @Test func passAtKCountsWhatMayBeTaken() throws {
    for value in try #require(values["pass_at"]?.array) {
      let (k, n) = (try #require(value["k"]?.exactInt), try #require(value["n"]?.exactInt))
      let right = try #require(value["right"]?.exactInt)
      let chance = try #require(RepeatedSamples.passAt(k, count: n, right: right))
      #expect(isNear(chance, value["value"]?.double), "k \(k), n \(n), c \(right)")
    }
    #expect(
      RepeatedSamples.passAt(11, count: 10, right: 3) == nil && RepeatedSamples.passAt(0, count: 10, right: 3) == nil)
  }

  @Test func theMajorityIsTheEarlierOfTwo() {
    #expect(RepeatedSamples.majority(["b", "a", nil, "a", "b"]) == "b")
    #expect(RepeatedSamples.majority(["b", "a", "a"]) == "a")
    #expect(RepeatedSamples.majority([nil, nil, nil, "c"]) == "c")
    #expect(RepeatedSamples.majority([nil]) == nil)
  }
}
