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
