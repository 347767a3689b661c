import JSON
import Telemetry

/// Everything a report is made of: what ran, and what all ranks counted.
package struct RunReport: Sendable {
  package var subject: RunSubject
  package var account: AccountOfRun
  /// Tokens fed, and seconds as rank 0 saw them, by `StepKind`.
  package var tokens: [Int]
  package var seconds: [Double]
  /// Tokens a second of each measured repetition, by `StepKind`; empty where there was one only.
  package var rates = StepKind.allCases.map { _ in [Double]() }
  /// What drafts came to, where steps drafted.
  package var speculation: SpeculationStatistics?
  /// What messages took between ranks that did nothing else.
  package var links: [LinkSample] = []
  /// Which rank held which experts at the end, as JSON; nil in dense models.
  package var placement: JSONValue?

  package init(subject: RunSubject, account: AccountOfRun, tokens: [Int], seconds: [Double]) {
    self.subject = subject
    self.account = account
    self.tokens = tokens
    self.seconds = seconds
  }

  /// The different processors of the ranks, in their order.
  package var processors: [String] {
    account.ranks.map(\.processor).reduce(into: []) { if !$1.isEmpty, !$0.contains($1) { $0.append($1) } }
  }

  /// Whether any rank shares cores.
  package var sharesCores: Bool { account.ranks.contains(where: \.sharesCores) }

  package var rankCount: Int { account.ranks.count }
  /// Whether ranks shared out what is no routed expert.
  package var isSliced: Bool {
    account.ranks.contains { rank in rank.kinds.contains { $0.sent.contains { $0.gatherPayload > 0 } } }
  }

  /// The kinds of step of which there were any.
  package var kinds: [StepKind] { StepKind.allCases.filter { account.ranks.first?.kinds[$0.rawValue].steps ?? 0 > 0 } }

  /// Without what only pages and traces show.
  package var withoutSpans: RunReport {
    var copy = self
    for rank in copy.account.ranks.indices {
      (copy.account.ranks[rank].spans, copy.account.ranks[rank].messages) = ([], [])
    }
    return copy
  }

  /// What the rank with most to do had over the mean.
  package func busiest(_ kind: StepKind) -> BusiestRank { BusiestRank(account.balances[kind.rawValue]) }

  package func figures(_ kind: StepKind) -> KindFigures { KindFigures(self, kind) }

  /// The kinds of link there are, with the model fitted to what was measured on each.
  package var linkModels: [(link: LinkClass, model: LinkModel)] {
    LinkClass.allCases.compactMap { link in LinkModel(links.filter { $0.link == link }).map { (link, $0) } }
  }
}
