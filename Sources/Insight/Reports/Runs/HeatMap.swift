/// A table of cells, darker where the value is greater.
struct HeatMap {
  /// `[row][column]`; nil is an empty cell.
  var values: [[Double?]]
  var rowTitle: String
  var columnTitle: String
  var rows: [String]
  var columns: [String]
  /// What to show while the pointer is over a cell.
  var describe: (_ row: Int, _ column: Int, _ value: Double) -> String
  /// Shown in cells that are large enough.
  var label: ((Double) -> String)?
  /// The value of the darkest colour; the greatest there is where nil.
  var limit: Double?

  func markup() -> String {
    let columnCount = values.map(\.count).max() ?? 0
    let wide = label != nil && columnCount <= 12
    let cellWidth = wide ? 78.0 : min(24, max(3, 860 / Double(max(columnCount, 1))))
    let cellHeight = wide ? 26.0 : 13.0
    let (left, top) = (92.0, 34.0)
    let greatest = max(limit ?? values.joined().compactMap(\.self).max() ?? 0, 1e-12)
    var svg = SVG(
      width: left + cellWidth * Double(columnCount) + 10, height: top + cellHeight * Double(values.count) + 10)
    svg.text(columnTitle, x: left, y: 12, weak: true)
    svg.text(rowTitle, x: left - 8, y: top - 6, anchor: .end, weak: true)
    let every = max(1, Int((wide ? 1 : 24 / cellWidth).rounded(.up)))
    for column in stride(from: 0, to: columnCount, by: every) where columns.indices.contains(column) {
      svg.text(columns[column], x: left + cellWidth * (Double(column) + 0.5), y: top - 6, anchor: .middle, weak: true)
    }
    for (row, cells) in values.enumerated() {
      let y = top + cellHeight * Double(row)
      svg.text(rows[row], x: left - 8, y: y + cellHeight / 2 + 4, anchor: .end, weak: true)
      for (column, value) in cells.enumerated() {
        let x = left + cellWidth * Double(column)
        guard let value else { continue }
        svg.rectangle(x: x, y: y, width: cellWidth - 1, height: cellHeight - 1, fill: "var(--empty)")
        svg.rectangle(
          x: x, y: y, width: cellWidth - 1, height: cellHeight - 1, fill: "var(--heat)",
          title: describe(row, column, value), opacity: max(0.001, min(1, value / greatest)))
        if wide, let label { svg.text(label(value), x: x + cellWidth / 2, y: y + cellHeight / 2 + 4, anchor: .middle) }
      }
    }
    return svg.markup
  }
}
