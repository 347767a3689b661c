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
    (self.subject, self.account, self.tokens, self.seconds) = (subject, account, tokens, seconds)
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

  /// Whether routed experts were among what ranks shared out: all of them have the same visits then, which rank 0
  /// counts.
  package var dividesExperts: Bool {
    isSliced
      && account.ranks.dropFirst().allSatisfy { rank in rank.kinds.allSatisfy { $0.visits.allSatisfy { $0 == 0 } } }
  }
  /// Rows fed: tokens, and drafts that were wrong.
  package func rows(_ kind: StepKind) -> Int {
    let wrong = speculation.map { $0.draftedCount - $0.acceptedCount } ?? 0
    return tokens[kind.rawValue] + (kind == .decode ? wrong : 0)
  }
  /// Rows of a sequence in a decode step: 1 but where most steps had drafts.
  package var rowsPerSequence: Int {
    guard let speculation, speculation.with.count > speculation.without.count, let first = speculation.drafted.first,
      first > 0
    else { return 1 }
    return 1 + Int((Double(speculation.draftedCount) / Double(first)).rounded())
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
