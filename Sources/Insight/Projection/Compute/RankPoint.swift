import Reports
import Telemetry

/// One rank's means over the steps of one kind: what costs of work are fitted to.
struct RankPoint {
  var kind: StepKind
  var isSliced: Bool
  /// The part of each matrix that it reads, and of each row that it computes: 1 but where ranks share out all of them.
  var share: Double
  /// The same of routers, which every host reads whole: 1 but where its ranks share them out.
  var routerShare: Double
  /// The same of routed experts, which may be whole where the others are not.
  var expertShare: Double
  /// Tokens of a step that it computes: those of all sequences, where ranks share out all matrices; else those whose
  /// home it is, which may be none.
  var rows: Double
  /// Of an MoE layer, or of an exchange of slices: rows that leave, and that come.
  var sent: Double
  var arrived: Double
  /// By phase, without waiting for late ranks: of a layer that has the phase, or of a step.
  var seconds: [Double]
  /// Plans and outcomes of a step, without waiting for late ranks.
  var steering: Double
  var layers: [(distinct: Double, visits: Double, seconds: Double)]

  /// Of some phases together.
  func time(of phases: [Phase]) -> Double { phases.reduce(0) { $0 + seconds[$1.rawValue] } }

  /// None of a report that does not tell its model's work.
  static func all(_ report: RunReport, _ kind: StepKind) -> [RankPoint] {
    guard let work = report.subject.work else { return [] }
    let ranks = report.account.ranks.map { $0.kinds[kind.rawValue] }
    let (isSliced, count) = (report.isSliced, Double(ranks.count))
    let (dividesExperts, leaders) = (report.dividesExperts, report.account.ranks.map(\.hostLeader))
    let hasPlainHosts = Set(leaders).count == leaders.count
    let homeRows = report.homeRows(kind)
    let exchangeCount = work.exchanges.reduce(0) { $0 + ($1.isWithinHost && hasPlainHosts ? 0 : $1.count) }
    return ranks.indices.compactMap { index in
      let account = ranks[index]
      guard account.steps > 0 else { return nil }
      let steps = Double(account.steps)
      let moeLayers = steps * Double(work.moeLayers)
      let exchanges = isSliced ? steps * Double(max(exchangeCount, 1)) : moeLayers
      func divisor(_ phase: Phase) -> Double {
        switch phase {
        case .attention: steps * Double(work.layers)
        case .dense: steps * Double(max(work.layers - work.moeLayers, 1))
        case .pack, .unpack: exchanges
        case .gate, .shared, .dispatch, .experts, .combine, .merge: moeLayers
        case .plan, .sampling, .outcome: steps
        case .embedding, .head: steps * Double(1 + work.moduleHeads)
        }
      }
      func exposed(_ phase: Phase) -> Double { Double(account.total(phase) - account.totalLate(phase)) / 1e9 }
      let layers = account.visits.indices.filter { account.visits[$0] > 0 }.map { layer in
        (
          distinct: Double(account.distinctExperts[layer]) / steps, visits: Double(account.visits[layer]) / steps,
          seconds: Double(account.time[layer][Phase.experts.rawValue]) / 1e9 / steps
        )
      }
      let rowBytes = Double(max(report.subject.sumBytes, 1))
      func leaves(_ sent: Traffic) -> Double {
        isSliced ? Double(sent.gatherPayload) / rowBytes : Double(sent.dispatchRows + sent.combineRows)
      }
      func comes(_ sent: Traffic) -> Double {
        isSliced ? Double(sent.gatherPayload) / rowBytes : Double(sent.dispatchRows)
      }
      return RankPoint(
        kind: kind, isSliced: isSliced, share: isSliced ? 1 / count : 1,
        routerShare: isSliced ? 1 / Double(leaders.count { $0 == leaders[index] }) : 1,
        expertShare: dividesExperts ? 1 / count : 1,
        rows: isSliced ? Double(report.rows(kind)) / steps : homeRows[index],
        sent: account.sent.reduce(0) { $0 + leaves($1) } / exchanges,
        arrived: ranks.reduce(0) { $0 + comes($1.sent[index]) } / exchanges,
        seconds: Phase.allCases.map { exposed($0) / divisor($0) },
        steering: (exposed(.plan) + exposed(.outcome)) / steps,
        layers: layers)
    }
  }
}
