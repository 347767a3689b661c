import Telemetry
import Testing

@testable import Reports

/// What part of communication was hidden, from times that can be added up by hand.
struct OverlapTests {
  /// Two ranks of two hosts; each sent the other one message of 1 MB in one step of 100 ms, of which it spent 2 ms
  /// packing and
  /// `dispatch` ms in dispatch. A message of 1 MB takes 10 ms.
  private func report(dispatch: Double, links: Bool = true) -> RunReport {
    var sent = Traffic()
    sent.countDispatch(rows: 1, rowBytes: 1_000_000, messageBytes: 1_000_000)
    var report = decodeReport(
      (0..<2).map {
        decodeAccount(
          rank: $0, ranks: 2, milliseconds: [.pack: 2, .dispatch: dispatch, .experts: 98 - dispatch], sent: sent)
      },
      tokens: 1)
    if links {
      report.links = [1000, 1_000_000, 2_000_000].map {
        LinkSample(link: .otherHosts, messageBytes: $0, seconds: Double($0) * 1e-8)
      }
    }
    return report
  }

  @Test func whatNobodyWaitedForWasHidden() throws {
    let overlap = try #require(report(dispatch: 1).figures(.decode).overlap)
    // Exposed: 2 + 1 ms; in all: 2 + 10 ms.
    #expect(abs(overlap - (1 - 3.0 / 12)) < 0.01)
  }

  @Test func whatTookAsLongAsTheLinkHidNothing() throws {
    #expect(abs(try #require(report(dispatch: 10).figures(.decode).overlap)) < 0.01)
    #expect(try #require(report(dispatch: 30).figures(.decode).overlap) == 0)
  }

  @Test func withoutMeasuredLinksNothingIsClaimed() {
    #expect(report(dispatch: 1, links: false).figures(.decode).overlap == nil)
  }
}
