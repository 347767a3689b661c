/// What may have been meant by a name of a member or option that is not known.
package enum NearestName {
  /// The known name closest to `name`, where it is close: at most one slip in three characters, and at most three.
  package static func of(_ name: String, among known: some Sequence<String>) -> String? {
    let spelt = Array(name.lowercased().utf8.prefix(65))
    guard spelt.count <= 64 else { return nil }
    var best: (name: String, distance: Int)?
    for candidate in known.sorted() {
      let distance = Self.distance(spelt, Array(candidate.utf8))
      let length = candidate.utf8.count
      let isClose = distance <= min(3, max(1, length / 3)) && distance < min(spelt.count, length)
      if isClose, distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    return best?.name
  }

  /// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
  private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var rows = [Array(0...b.count)]
    for i in a.indices {
      var row = [i + 1]
      for j in b.indices {
        var least = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = min(least, rows[i - 1][j - 1] + 1) }
        row.append(least)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}
