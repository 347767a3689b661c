import Telemetry

extension RunReport {
  /// The report in at most sixteen lines for a terminal.
  package var summary: [String] {
    kinds.flatMap { lines(figures($0)) } + (speculation.map { ["speculation: \($0.summary)"] } ?? [])
      + linkModels.map { "\($0.link.words): \($0.model.summary)" }
  }

  private func lines(_ figures: KindFigures) -> [String] {
    let perStep = figures.steps > 0 ? figures.wall / Double(figures.steps) : 0
    var lines = [
      """
      \(figures.kind.name): \(Figures.count(figures.steps, "step")) of \(Decimals.time(perStep)), \
      \(Figures.count(figures.tokens, "token")), \(Decimals.text(figures.tokensPerSecond)) tokens/s
      """
        + headline(figures.kind)
    ]
    let computing = Phase.allCases.filter { !$0.isCommunication && figures.share($0) >= 0.0005 }
      .sorted { figures.share($0) > figures.share($1) }
    lines.append(
      "  computing      "
        + computing.map { "\($0.name) \(Decimals.percent(figures.share($0)))" }.joined(separator: ", "))
    guard rankCount > 1 else { return lines }
    let communicating = Phase.allCases.filter(\.isCommunication).map {
      "\($0.name) \(Decimals.percent((figures.time[$0.rawValue] - figures.late[$0.rawValue]) / max(figures.wall, 1)))"
    }
    let hidden = figures.overlap.map { "; \(Decimals.percent($0, 0)) of all of it hidden" } ?? ""
    lines.append(
      "  communication  \(Decimals.percent(figures.exposedShare)): " + communicating.joined(separator: ", ") + hidden)
    lines.append(
      "  waiting        \(Decimals.percent(figures.waitingShare)) for ranks that were late"
        + (blamed(figures).map { ", most for \($0)" } ?? ""))
    lines.append("  sent           " + sent(figures))
    if let balance = imbalance(figures.kind) { lines.append("  imbalance      " + balance) }
    return lines
  }

  private func headline(_ kind: StepKind) -> String {
    let busiest = busiest(kind)
    guard rankCount > 1, busiest.meanVisits > 0 else { return "" }
    return
      ", busiest rank \(Decimals.text(busiest.visits, 2)) × visits, \(Decimals.text(busiest.experts, 2)) × experts"
  }

  private func blamed(_ figures: KindFigures) -> String? {
    let sums = (0..<rankCount).map { late in figures.waits.reduce(0) { $0 + $1[late] } }
    let total = sums.reduce(0, +)
    guard total > 0, let worst = sums.indices.max(by: { sums[$0] < sums[$1] }) else { return nil }
    return
      """
      rank \(worst) on \(account.ranks[worst].host) (\(Decimals.percent(Double(sums[worst]) / Double(total), 0)) \
      of it)
      """
  }

  private func sent(_ figures: KindFigures) -> String {
    var all = figures.sameHost
    all += figures.otherHosts
    let over = figures.minimumBetweenRanks > 0 ? Double(all.bytes) / Double(figures.minimumBetweenRanks) : 1
    var text =
      "\(Decimals.bytes(all.bytes)) in \(all.messages) messages (\(Decimals.text(over, 2)) × the least possible)"
    if all.gatherPayload > 0 { text += ", \(Decimals.bytes(all.gatherPayload)) of it slices" }
    if figures.otherHosts.bytes > 0 { text += ", \(Decimals.bytes(figures.otherHosts.bytes)) of it to other hosts" }
    return text
  }

  private func imbalance(_ kind: StepKind) -> String? {
    let layers = account.balances[kind.rawValue].enumerated().filter { $0.element.steps > 0 }
    guard let worst = layers.max(by: { $0.element.visitImbalance < $1.element.visitImbalance }) else { return nil }
    func mean(_ value: (Balance.Layer) -> Double) -> String {
      Decimals.text(layers.reduce(0) { $0 + value($1.element) } / Double(layers.count), 2)
    }
    return
      """
      the busiest rank has \(mean(\.visitImbalance)) × the mean visits and \(mean(\.expertImbalance)) × the mean \
      experts; worst in layer \(worst.offset) (\(Decimals.text(worst.element.visitImbalance, 2)) ×)
      """
  }
}
