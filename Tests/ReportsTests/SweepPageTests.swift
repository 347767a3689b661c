import JSON
import Telemetry
import Testing

@testable import Reports

/// The pictures and sentences of a study whose numbers are made up.
struct SweepPageTests {
  /// A run in which the experts take `experts` of each step of 100 ms, and dispatch the rest.
  private func result(ranks: Int, batch: Int, isWeak: Bool = false, experts: Double, tokensPerSecond: Double)
    -> SweepResult
  {
    let accounts = (0..<ranks).map { rank in
      decodeAccount(
        rank: rank, ranks: ranks, milliseconds: [.experts: experts * 100, .dispatch: 100 - experts * 100],
        visits: rank == 0 ? 3 : 1)
    }
    let report = decodeReport(accounts, tokens: Int(tokensPerSecond / 10))
    return SweepResult(ranks: ranks, expertsPerRank: nil, batch: batch, isWeak: isWeak, promptLength: 8, report: report)
  }

  private var page: SweepPage {
    SweepPage(
      title: "A <study>",
      results: [
        result(ranks: 1, batch: 4, experts: 0.9, tokensPerSecond: 100),
        result(ranks: 2, batch: 4, experts: 0.7, tokensPerSecond: 150),
        result(ranks: 4, batch: 4, experts: 0.2, tokensPerSecond: 200),
        result(ranks: 2, batch: 8, isWeak: true, experts: 0.8, tokensPerSecond: 200),
      ])
  }

  @Test func sentencesNameWhatLimitsEachRegionAndTheEfficiency() {
    #expect(
      page.sentences == [
        """
        decode, 4 sequences, prompts of 8: limited at 1 to 2 ranks by the experts' own work (70 % to 90 % of a \
        step), at 4 ranks by communication (80 % of a step); efficiency at 4 ranks 50 %
        """,
        "decode, 4 sequences a rank, prompts of 8: limited at 2 ranks by the experts' own work (80 % of a step)",
      ])
  }

  @Test func everyRunIsALineOfTheTable() throws {
    let lines = page.csv.split(separator: "\n")
    #expect(lines.count == 5)
    let names = lines[0].split(separator: ",")
    let third = lines[3].split(separator: ",", omittingEmptySubsequences: false)
    func field(_ name: Substring) throws -> Substring { third[try #require(names.firstIndex(of: name))] }
    #expect(try field("ranks") == "4" && field("efficiency") == "0.5" && field("step") == "\"decode\"")
    // Three visits of one rank, one each of three others: mean 1.5.
    #expect(try field("imbalance") == "2.0")
    #expect(page.json["runs"]?.array?.count == 4 && page.json["limits"]?.array?.count == 2)
  }

  /// Ranks that take turns on a core make every phase longer: no phase is to be blamed.
  @Test func whereRanksShareCoresThatIsTheLimit() {
    var crowded = result(ranks: 4, batch: 4, experts: 0.9, tokensPerSecond: 110)
    for rank in crowded.report.account.ranks.indices { crowded.report.account.ranks[rank].sharesCores = true }
    let page = SweepPage(
      title: "s", results: [result(ranks: 1, batch: 4, experts: 0.9, tokensPerSecond: 100), crowded])
    #expect(
      page.sentences == [
        """
        decode, 4 sequences, prompts of 8: limited at 1 rank by the experts' own work (90 % of a step), at 4 ranks \
        by cores that ranks share; efficiency at 4 ranks 28 %
        """
      ])
  }

  @Test func aRunTellsWhenWhereByWhatAndHowFarItsRepetitionsLieApart() throws {
    var run = result(ranks: 2, batch: 4, experts: 0.7, tokensPerSecond: 150)
    (run.report.subject.date, run.report.subject.program) = ("2026-01-02T03:04:05Z", "martinet 1 (build 00)")
    run.report.subject.instructionSet = "avx2"
    run.report.rates = [[], [120, 150, 160]]
    for rank in 0..<2 { run.report.account.ranks[rank].processor = "Some \"fast\" CPU" }
    let page = SweepPage(title: "s", results: [run])
    #expect(
      page.circumstances
        == """
        1 run · 2026-01-02T03:04:05Z · martinet 1 (build 00) · Some \"fast\" CPU · avx2 · 1 thread a rank · \
        repetitions of a run differ by up to 33 %
        """
    )
    let row = try #require(page.json["runs"]?.array?.first)
    #expect(
      row["tokens_per_second_least"]?.double == 120 && row["tokens_per_second_most"]?.double == 160
        && row["repetitions"]?.exactInt == 3)
    #expect(
      row["threads"]?.exactInt == 1 && row["shares_cores"]?.bool == false
        && row["date"]?.string == "2026-01-02T03:04:05Z")
    #expect(page.csv.contains("\"Some \"\"fast\"\" CPU\"") && page.html.contains("2026-01-02"))
  }

  @Test func thePageNeedsNothingElseAndEscapesItsTitle() {
    let html = page.html
    #expect(html.contains("A &lt;study&gt;") && !html.contains("A <study>"))
    #expect(!html.contains("src=") && !html.contains("<link") && !html.contains("{{"))
    #expect(html.split(separator: "<svg").count - 1 == 5)
  }

  @Test func aStudyWithoutRunsHasAPage() {
    let empty = SweepPage(title: "none", results: [])
    #expect(empty.sentences.isEmpty && empty.csv.split(separator: "\n").count == 1 && empty.html.contains("0 runs"))
  }
}
