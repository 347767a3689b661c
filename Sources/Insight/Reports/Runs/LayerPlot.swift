import Telemetry

/// Time of a step by layer, stacked by phase: the mean over ranks and steps.
struct LayerPlot {
  let report: RunReport
  let kind: StepKind

  func markup() -> String {
    let accounts = report.account.ranks.map { $0.kinds[kind.rawValue] }
    let layers = report.subject.layerCount
    let scale = 1 / Double(max(accounts.reduce(0) { $0 + $1.steps }, 1))
    /// Microseconds `[layer][group]`.
    let values = (0...layers).map { layer in
      PhaseGroup.all.map { group in scale * Double(accounts.reduce(0) { $0 + group.time($1, layer: layer) }) / 1e3 }
    }
    let ticks = SVG.ticks(to: values.map { $0.reduce(0, +) }.max() ?? 0)
    let top = ticks.last ?? 1
    let (left, height, base) = (64.0, 220.0, 246.0)
    let bar = min(48, max(5, 860 / Double(layers + 1)))
    var svg = SVG(width: left + bar * Double(layers + 1) + 20, height: 282)
    for tick in ticks {
      let y = base - height * tick / max(top, 1e-9)
      svg.line(x1: left, y1: y, x2: left + bar * Double(layers + 1), y2: y)
      svg.text(Decimals.text(tick, top < 5 ? 1 : 0), x: left - 6, y: y + 4, anchor: .end, weak: true)
    }
    svg.text("µs a step", x: left, y: 12, anchor: .end, weak: true)
    for (layer, groups) in values.enumerated() {
      let x = left + bar * Double(layer)
      var y = base
      let name = layer == layers ? "outside of layers" : "layer \(layer)"
      for (group, value) in zip(PhaseGroup.all, groups) {
        let size = height * value / max(top, 1e-9)
        y -= size
        svg.rectangle(
          x: x + 1, y: y, width: bar - 2, height: size, fill: group.color,
          title: "\(name): \(group.title) \(Decimals.text(value, 1)) µs a step")
      }
      let every = bar < 16 ? 5 : 1
      if layer == layers {
        svg.text("rest", x: x + bar / 2, y: base + 16, anchor: .middle, weak: true)
      } else if layer % every == 0, layers - layer > 1 || every == 1 {
        svg.text("\(layer)", x: x + bar / 2, y: base + 16, anchor: .middle, weak: true)
      }
    }
    svg.text("layer", x: left, y: base + 32, weak: true)
    return svg.markup
  }
}
