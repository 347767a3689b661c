extension TrainingReport {
  /// Where the time of this run's steps and the bytes went, in a few lines for a terminal.
  package var summary: [String] {
    let (steps, wall) = (ranks.first?.steps ?? 0, ranks.reduce(0) { $0 + $1.wall })
    guard steps > 0, wall > 0 else { return [] }
    func share(_ place: Int, _ values: (Rank) -> [Double]) -> Double {
      ranks.reduce(0) { $0 + values($1)[place] } / wall
    }
    let own = phases.indices.filter { phases[$0].isOfStep }.map {
      (phases[$0].name, share($0, \.time) - share($0, \.waiting))
    }
    let computing = own.filter { $0.1 >= 0.0005 }.sorted { $0.1 > $1.1 }
      .map { "\($0.0) \(Decimals.percent($0.1))" }.joined(separator: ", ")
    let perStep = wall / Double(ranks.count * steps)
    var lines = ["\(Figures.count(steps, "step")) of \(Decimals.time(perStep)): \(computing)"]
    guard ranks.count > 1 else { return lines }
    let waiting = phases.indices.filter { phases[$0].isOfStep }.map { share($0, \.waiting) }.reduce(0, +)
    lines.append("communication: \(Decimals.percent(waiting)) of a step (packing, and waiting for other ranks)")
    let bytes = traffic.reduce(0) { $0 + $1.bytes }
    let least = traffic.reduce(0) { $0 + $1.least }
    let over = least > 0 ? " (\(Decimals.text(Double(bytes) / Double(least), 2)) × the least possible)" : ""
    lines.append(
      "sent: \(Decimals.bytes(bytes / steps)) a step\(over): "
        + traffic.filter { $0.bytes > 0 }.map { "\($0.name) \(Decimals.bytes($0.bytes / steps))" }.joined(
          separator: ", "))
    return lines
  }
}
