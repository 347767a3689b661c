import Telemetry

/// One step, rank by rank, on rank 0's clock: the one of median length among those kept.
struct StepTimeline {
  let report: RunReport

  private struct Step {
    var number: UInt32
    var begin: Double
    var end: Double
  }

  /// Empty where no step was kept whole.
  func markup() -> String {
    guard let step = typicalStep() else { return "" }
    let (left, width, lane) = (92.0, 860.0, 26.0)
    let ranks = report.account.ranks.prefix(32)
    var svg = SVG(width: left + width + 20, height: 20 + lane * Double(ranks.count) + 26)
    let length = max(step.end - step.begin, 1)
    for (index, rank) in ranks.enumerated() {
      let y = 10 + lane * Double(index)
      svg.text("rank \(rank.rank)", x: left - 8, y: y + 15, anchor: .end, weak: true)
      for (span, next) in zip(rank.spans, rank.spans.dropFirst()) where span.step == step.number {
        guard let phase = Phase(rawValue: Int(span.phase)) else { continue }
        let (start, end) = (rank.onRoot(span.start), rank.onRoot(next.start))
        let x = left + width * (start - step.begin) / length
        let size = width * (end - start) / length
        guard size >= 0.05 else { continue }
        let place = span.layer < 0 ? "" : ", layer \(span.layer)"
        svg.rectangle(
          x: x, y: y, width: size, height: lane - 6, fill: PhaseGroup.color(of: phase),
          title: "rank \(rank.rank), \(phase.name)\(place): \(Decimals.time(end - start))")
      }
    }
    let base = 10 + lane * Double(ranks.count)
    for part in 0...4 {
      let x = left + width * Double(part) / 4
      svg.text(
        Decimals.time(length * Double(part) / 4), x: x, y: base + 16,
        anchor: part == 0 ? .start : part == 4 ? .end : .middle, weak: true)
    }
    return svg.markup
  }

  private func typicalStep() -> Step? {
    guard let root = report.account.ranks.first else { return nil }
    var steps: [Step] = []
    var begin: PhaseRecorder.Span?
    for span in root.spans {
      if span.phase == UInt8(Phase.plan.rawValue), begin?.step != span.step { begin = span }
      if span.phase == UInt8(Phase.count), let first = begin, first.step == span.step {
        steps.append(Step(number: span.step, begin: root.onRoot(first.start), end: root.onRoot(span.start)))
      }
    }
    let kept = report.account.ranks.map { Set($0.spans.map(\.step)) }
    let common = steps.filter { step in kept.allSatisfy { $0.contains(step.number) } }
      .sorted { $0.end - $0.begin < $1.end - $1.begin }
    return common.isEmpty ? nil : common[common.count / 2]
  }
}
