import JSON
import Telemetry
import Testing

@testable import Reports

@Suite struct ReportPageTests {
  /// Two steps in which rank 0 sent ten thousand bytes to rank 1: the table and the matrix both tell of five thousand.
  @Test func bytesByLinkAreOfOneStepInTheTableAndInTheMatrix() throws {
    var sent = Traffic()
    (sent.dispatchPayload, sent.messages) = (20_000, 6)
    var ranks = (0..<2).map {
      decodeAccount(rank: $0, ranks: 2, milliseconds: [.experts: 100], visits: 1, sent: $0 == 0 ? sent : Traffic())
    }
    for rank in ranks.indices { ranks[rank].kinds[StepKind.decode.rawValue].steps = 2 }
    let page = decodeReport(ranks, tokens: 4).page
    let section = try #require(page.firstRange(of: "<h3>Bytes by link</h3>").map { page[$0.lowerBound...] })
    #expect(section.contains("Of a mean step, in the table and in the matrix; all 2 steps together sent 20.0 kB."))
    #expect(section.contains("<td>together</td><td class=n>10.0 kB</td><td class=n>0 B</td><td class=n>3.0</td>"))
    #expect(section.contains("rank 0 to rank 1: 10.0 kB a step"))
    #expect(!page.contains("{{") && !page.contains("<!--"))
  }

  /// Two sequences with two drafts each, one with one; of steps whose tokens would have taken three seconds without.
  @Test func draftsAreToldByPlaceWithWhatTheyGained() throws {
    var speculation = SpeculationStatistics()
    for right in [2, 1] { speculation.count(drafts: 2, right: right) }
    speculation.count(drafts: 1, right: 0)
    #expect(speculation.drafted == [3, 2] && speculation.accepted == [2, 1] && !speculation.isEmpty)
    speculation.with.add(tokens: 6, time: .seconds(2))
    speculation.without.add(tokens: 3, time: .seconds(1))
    (speculation.comparedSeconds, speculation.secondsWithout) = (2, 3)
    let words =
      """
      3 of 5 drafts right, 60.0 % (by place 66.7, 50.0 %); 2.00 tokens a sequence and step; 1.50 × the speed \
      without drafts at the same load; 1 of 2 decode steps went without
      """
    #expect(speculation.summary == words)
    var report = decodeReport([decodeAccount(rank: 0, ranks: 1, milliseconds: [.experts: 100])], tokens: 4)
    #expect(!report.page.contains("Speculation") && report.json["speculation"] == nil)
    report.speculation = speculation
    #expect(report.page.contains(words) && report.summary.contains("speculation: \(words)"))
    #expect(!report.page.contains("{{"))
    #expect(report.page.contains("<td class=n>2</td><td class=n>2</td><td class=n>1</td><td class=n>50.0 %</td>"))
    let json = try #require(report.json["speculation"])
    #expect(json["gain"]?.double == 1.5 && json["tokens_per_run"]?.double == 2 && json["acceptance"]?.double == 0.6)
    #expect(json["tokens_per_second_with"]?.double == 3 && json["steps_without"]?.exactInt == 1)
    // Twice the same, less once, is once.
    #expect((speculation + speculation).since(speculation).summary == words)
    #expect(SpeculationStatistics().isEmpty && SpeculationStatistics().summary.hasPrefix("no drafts"))
  }

  @Test func ratesAndProcessorsComeThroughJSON() throws {
    var account = decodeAccount(rank: 0, ranks: 1, milliseconds: [.experts: 100], visits: 1)
    (account.processor, account.sharesCores) = ("EPYC", true)
    account.kinds[StepKind.prefill.rawValue] = account.kinds[StepKind.decode.rawValue]
    account.kinds[StepKind.prefill.rawValue].steps = 0
    var report = decodeReport([account], tokens: 4)
    report.subject.layerCount = 1
    report.rates = [[], [1.5, 2]]
    let read = try RunReport(json: JSONValue(parsing: Array(report.json.text().utf8)))
    #expect(read.rates == report.rates && read.processors == ["EPYC"] && read.sharesCores)
  }
}
