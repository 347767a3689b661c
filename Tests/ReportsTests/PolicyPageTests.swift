import JSON
import Telemetry
import Testing

@testable import Reports

/// The page of a reinforcement learning; its scripts are shown to a browser by `Tests/Reference/training_page.py`.
struct PolicyPageTests {
  private func report() -> TrainingReport {
    var report = TrainingReport(
      subject: RunSubject(), stepCount: 2, history: TrainingHistory(layers: [], expertCount: 0))
    report.history.add(
      step: 1, Array(repeating: 0.5, count: TrainingMetric.count),
      policy: PolicyStep(
        completions: .init(count: 512, tokens: 5000, graded: 512, right: 65),
        values: [.reward: 0.25, .maxLogRatio: 0, .meanLength: 9.75], parts: [("</script><i>", 0.5)]))
    report.history.addAccuracy(step: 1, right: 11, count: 200)
    report.history.addTranscript(
      Transcript(
        step: 1, prompt: "</script><script>alert(1)</script>", completion: "<!--<script>\u{0}\u{2028}", reward: 0,
        advantage: 0, tokens: 3))
    return report
  }

  @Test func nothingInATranscriptEndsTheNumbersOfThePage() throws {
    let page = report().page
    #expect(!page.contains("src=") && !page.contains("<link"))
    #expect(page.split(separator: "<script", omittingEmptySubsequences: false).count == 3)
    #expect(page.split(separator: "</script>", omittingEmptySubsequences: false).count == 3)
    #expect(!page.contains("<!--") && !page.contains("<i>") && !page.unicodeScalars.contains("\u{0}"))
    let start = try #require(page.firstRange(of: "id=\"report\">")).upperBound
    let end = try #require(page[start...].firstRange(of: "</script>")).lowerBound
    #expect(try JSONValue(parsing: Array(page[start..<end].utf8)) == report().json)
  }

  @Test func theNumbersHaveWhatThePageDraws() throws {
    let policy = try #require(report().json["history"]?["policy"])
    #expect(policy["metrics"]?["mean_length"]?["mean"]?.array?.map(\.double) == [9.75])
    #expect(policy["metrics"]?["max_log_ratio"]?["most"]?.array?.map(\.double) == [0])
    #expect(policy["metrics"]?["reference_kl"] == nil)
    #expect(policy["completions"]?["right"]?.array?.map(\.exactInt) == [65])
    #expect(policy["parts"]?["</script><i>"]?["steps"]?.array?.map(\.exactInt) == [1])
    #expect(policy["held_out"]?.array?.first?["right"]?.exactInt == 11)
    #expect(policy["transcripts"]?.array?.count == 1)
  }

  /// Every name that the scripts ask for is one that a history has.
  @Test func thePageAsksForMetricsByTheirNames() {
    let page = report().page
    for metric in PolicyMetric.allCases where !metric.name.hasSuffix("seconds") && !metric.name.hasSuffix("second") {
      #expect(page.contains("\"\(metric.name)\"") && page.contains(metric.name), "\(metric.name)")
    }
    for (name, _) in PolicyStep.Completions.fields where name != "tokens" {
      #expect(page.contains("\"\(name)\""), "\(name)")
    }
    for id in ["outcome", "step", "order", "text", "count", "list", "more"] {
      #expect(page.contains("id=\"transcripts-\(id)\""))
    }
  }

  @Test func aPretrainingTellsNothingOfAPolicy() {
    var report = TrainingReport(
      subject: RunSubject(), stepCount: 1, history: TrainingHistory(layers: [], expertCount: 0))
    report.history.add(step: 1, Array(repeating: 0.5, count: TrainingMetric.count))
    #expect(report.json["history"]?["policy"] == nil)
    #expect(report.page.contains("<section id=\"transcripts\" hidden>"))
  }
}
