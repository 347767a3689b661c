import Telemetry

extension KindFigures {
  /// 1 − exposed / total communication: what part of communication other work hid. Nil where no link was measured.
  ///
  /// The total is the time on processors (packing, unpacking, plans and outcomes), which nothing hides, and what the
  /// messages of dispatch and combine would have taken one after another on the measured links, none of it behind other
  /// work. Where ranks share memory, packing is the transfer, and a message costs only its latency besides.
  package var overlap: Double? {
    guard let transfer, wall > 0 else { return nil }
    let processing = [Phase.pack, .unpack, .plan, .outcome].reduce(0) { $0 + time[$1.rawValue] - late[$1.rawValue] }
    let total = processing + transfer
    return total > 0 ? max(0, 1 - exposedShare * wall / total) : nil
  }

  /// Nanoseconds that the messages a rank received would have taken one after another; the mean over ranks.
  static func transfer(_ report: RunReport, _ kind: StepKind) -> Double? {
    let models = Dictionary(uniqueKeysWithValues: report.linkModels.map { ($0.link, $0.model) })
    let ranks = report.account.ranks
    guard ranks.count > 1, !models.isEmpty else { return nil }
    var seconds = 0.0
    for (from, rank) in ranks.enumerated() {
      for (to, sent) in rank.kinds[kind.rawValue].sent.enumerated() where to != from && sent.messages > 0 {
        let isNear = rank.hostLeader == ranks[to].hostLeader
        if isNear, let shared = models[.sharedMemory] {
          seconds += Double(sent.messages) * shared.seconds(0)
        } else if let link = isNear ? models[.sameNode] ?? models[.sameHost] : models[.otherHosts] {
          seconds += Double(sent.messages) * link.seconds(sent.bytes / sent.messages)
        } else {
          return nil
        }
      }
    }
    return seconds * 1e9 / Double(ranks.count)
  }
}
