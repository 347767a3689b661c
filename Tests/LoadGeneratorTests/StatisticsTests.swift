import JSON
import LoadGenerator
import Testing

@Suite struct StatisticsTests {
  @Test func percentilesOfKnownSamples() {
    let hundred = SampleSummary((1...101).map { Double($0) }.shuffled())
    #expect(
      hundred.mean == 51 && hundred.median == 51 && hundred.p90 == 91 && hundred.p99 == 100 && hundred.maximum == 101)
    let four = SampleSummary([4, 1, 3, 2])
    #expect(four.mean == 2.5 && four.median == 2.5 && abs(four.p90 - 3.7) < 1e-12 && abs(four.p99 - 3.97) < 1e-12)
    let one = SampleSummary([7])
    #expect([one.mean, one.median, one.p90, one.p99, one.maximum] == [7, 7, 7, 7, 7] && one.count == 1)
    let none = SampleSummary([])
    #expect([none.mean, none.median, none.p90, none.p99, none.maximum].allSatisfy(\.isNaN) && none.count == 0)
  }

  /// Within five standard errors of what the distribution says; the seed is fixed.
  @Test(arguments: [0.2, 0.5, 1, 4, 50]) func arrivalsHaveTheRateAndBurstinessAskedFor(burstiness: Double) {
    let count = 20_001
    let times = ArrivalProcess(rate: 8, burstiness: burstiness).times(count, seed: 3)
    #expect(times.count == count && times[0] == 0)
    let gaps = zip(times.dropFirst(), times).map { $0 - $1 }
    #expect(gaps.allSatisfy { $0 >= 0 })
    let n = Double(gaps.count)
    let mean = gaps.reduce(0, +) / n
    let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
    let expected = 1.0 / 64 / burstiness
    #expect(abs(mean - 1.0 / 8) < 5 * (expected / n).squareRoot(), "mean \(mean)")
    // The excess kurtosis of a gamma distribution is 6 / shape.
    #expect(abs(variance / expected - 1) < 5 * ((2 + 6 / burstiness) / n).squareRoot(), "variance \(variance)")
  }

  /// A Poisson process's counts in disjoint seconds have a variance that is their mean, and its gaps forget.
  @Test func arrivalsOfBurstinessOneAreAPoissonProcess() {
    let times = ArrivalProcess(rate: 10).times(20_000, seed: 11)
    var counts = Array(repeating: 0.0, count: Int(times.last!))
    for time in times where Int(time) < counts.count { counts[Int(time)] += 1 }
    let mean = counts.reduce(0, +) / Double(counts.count)
    let variance = counts.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(counts.count)
    #expect(abs(variance / mean - 1) < 5 * (2 / Double(counts.count)).squareRoot())
    let gaps = zip(times.dropFirst(), times).map { $0 - $1 }
    let long = gaps.count { $0 > 0.1 }
    // e⁻¹ of exponential gaps are longer than their mean.
    #expect(abs(Double(long) / Double(gaps.count) - 0.36788) < 5 * (0.2325 / Double(gaps.count)).squareRoot())
  }

  @Test func arrivalsFollowTheSeed() {
    let process = ArrivalProcess(rate: 2)
    #expect(process.times(50, seed: 1) == process.times(50, seed: 1))
    #expect(process.times(50, seed: 1) != process.times(50, seed: 2))
    #expect(ArrivalProcess(rate: nil).times(3, seed: 1) == [0, 0, 0])
    #expect(process.times(0, seed: 1).isEmpty)
  }

  @Test func goalsAreRead() throws {
    #expect(try Goodput(parsing: "ttft:500,tpot:50").limits.map(\.milliseconds) == [500, 50])
    #expect(try Goodput(parsing: "ttft:500.0,itl:0.5").text == "ttft:500,itl:0.5")
    for text in [
      "", "ttft", "ttft:", "ttft:x", "ttft:-1", "ttft:0", "ttft:nan", "ttft:inf", "speed:4", "ttft:1,ttft:2", "ttft:1,",
      "ttft:1:2",
    ] {
      #expect(throws: LoadError.badGoal(text)) { _ = try Goodput(parsing: text) }
    }
  }
}

@Suite struct ServingFiguresTests {
  private func outcome(start: Double, times: [Double], tokens: Int) -> RequestOutcome {
    var outcome = RequestOutcome()
    (outcome.ending, outcome.start, outcome.duration) = (.completed, start, times.last! + 0.5)
    (outcome.tokenTimes, outcome.promptTokens, outcome.outputTokens, outcome.hasUsage) = (times, 10, tokens, true)
    return outcome
  }

  @Test func figuresFollowTheirDefinitions() throws {
    var record = LoadRecord()
    record.outcomes = [
      outcome(start: 1, times: [0.2, 0.3, 0.5], tokens: 4), outcome(start: 2, times: [0.4], tokens: 1),
      outcome(start: 3, times: [0.6, 1.6], tokens: 2),
    ]
    for reason in ["HTTP 429: full", "timeout", "HTTP 429: full"] {
      var failed = RequestOutcome()
      (failed.ending, failed.start, failed.duration) = (.failed(reason), 4, 2)
      record.outcomes.append(failed)
    }
    record.outcomes.append(RequestOutcome())
    record.outcomes[6].start = 5
    (record.requested, record.peakConcurrency) = (9, 3)
    let report = ServingFigures(record, goal: try Goodput(parsing: "ttft:500,tpot:150"))
    #expect(report.completed == 3 && report.failed == 3 && report.interrupted == 1)
    #expect(report.failures.map(\.reason) == ["HTTP 429: full", "timeout"] && report.failures.map(\.count) == [2, 1])
    #expect(report.duration == 5 && report.promptTokens == 30 && report.outputTokens == 7)
    #expect(abs(report.timeToFirstToken.mean - 0.4) < 1e-12 && report.timeToFirstToken.maximum == 0.6)
    // (0.5 − 0.2) / 3 and (1.6 − 0.6) / 1; an answer of one token has none.
    #expect(report.timePerOutputToken.count == 2 && abs(report.timePerOutputToken.mean - 0.55) < 1e-12)
    #expect(report.interTokenLatency.count == 3 && report.interTokenLatency.maximum == 1)
    #expect(report.latency.maximum == 1.6 && report.good == 2)
    let json = report.json
    #expect(json["request_goodput"]?.double == 0.4 && json["output_throughput"]?.double == 1.4)
    #expect(json["errors"]?["HTTP 429: full"]?.exactInt == 2 && json["num_prompts"]?.exactInt == 9)
    #expect(abs(json["p99_e2el_ms"]!.double! - 1578) < 1e-6 && json["max_concurrent_requests"]?.exactInt == 3)
    #expect(report.requestsJSON.array?.compactMap { $0["ending"]?.string }.count == 7)
  }

  @Test func aRunWithoutAnyAnswerHasNoTimes() {
    let report = ServingFigures(LoadRecord())
    #expect(report.completed == 0 && report.duration == 0)
    #expect(report.json["mean_ttft_ms"] == .null && report.json["request_throughput"] == .null)
  }

  @Test func endlesslyDifferentFailuresAreCountedTogether() {
    var record = LoadRecord()
    for index in 0..<1000 {
      var failed = RequestOutcome()
      failed.ending = .failed("reason \(index)")
      record.outcomes.append(failed)
    }
    let report = ServingFigures(record)
    #expect(report.failed == 1000 && report.failures.count == 21 && report.failures[0].reason == "other failures")
  }
}
