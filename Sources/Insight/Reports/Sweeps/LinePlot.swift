/// Lines over ranks, one for each series.
struct LinePlot {
  struct Series {
    var name: String
    var points: [(x: Int, y: Double)]
  }

  let title: String
  let series: [Series]
  var isPercent = false

  static let colors = [
    "#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e", "#9498a0",
  ]

  func markup() -> String {
    let (left, right, top, height) = (56.0, 16.0, 26.0, 170.0)
    var svg = SVG(width: 460, height: top + height + 38)
    let xs = Set(series.flatMap { $0.points.map(\.x) }).sorted()
    let greatest = series.flatMap { $0.points.map(\.y) }.max() ?? 0
    svg.text(title, x: 0, y: 12)
    guard !xs.isEmpty, greatest > 0 else { return svg.markup }
    let ticks = SVG.ticks(to: greatest)
    let full = ticks.last ?? 1
    // Rank counts stand at equal distances: they mostly double.
    func x(_ value: Int) -> Double {
      let place = Double(xs.firstIndex(of: value) ?? 0)
      return left + (svg.width - left - right) * (xs.count > 1 ? place / Double(xs.count - 1) : 0.5)
    }
    func y(_ value: Double) -> Double { top + height * (1 - value / full) }
    for tick in ticks {
      svg.line(x1: left, y1: y(tick), x2: svg.width - right, y2: y(tick))
      svg.text(
        isPercent ? Decimals.percent(tick, 0) : Decimals.text(tick, full < 10 ? 1 : 0), x: left - 6, y: y(tick) + 4,
        anchor: .end, weak: true)
    }
    for value in xs { svg.text("\(value)", x: x(value), y: top + height + 16, anchor: .middle, weak: true) }
    svg.text("ranks", x: left + (svg.width - left - right) / 2, y: top + height + 33, anchor: .middle, weak: true)
    for (i, one) in series.enumerated() {
      let color = Self.colors[i % Self.colors.count]
      let points = one.points.sorted { $0.x < $1.x }
      svg.path(points.map { (x($0.x), y($0.y)) }, stroke: color)
      for point in points {
        let value = isPercent ? Decimals.percent(point.y) : Decimals.text(point.y, 2)
        svg.rectangle(
          x: x(point.x) - 3, y: y(point.y) - 3, width: 6, height: 6, fill: color,
          title: "\(one.name), \(Figures.count(point.x, "rank")): \(value)")
      }
    }
    return svg.markup
  }
}
