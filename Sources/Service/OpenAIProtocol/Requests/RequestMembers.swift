import JSON

/// Which members an object of a request may have.
package struct RequestMembers {
  let known: Set<String>
  /// Accepted and ignored: nothing about the generated text depends on them here.
  let ignored: Set<String>
  /// Refused with the reason, or with what to use instead.
  let refused: [String: String]
  /// Values with which a refused member asks for what holds anyhow: clients that send all their settings send these.
  let neutral: [String: [JSONValue]]

  package init(
    _ known: Set<String>, ignored: Set<String> = [], refused: [String: String] = [:],
    neutral: [String: [JSONValue]] = [:]
  ) {
    (self.known, self.ignored, self.refused, self.neutral) = (known, ignored, refused, neutral)
  }

  /// Throws for the first member, in the request's order, that is refused or not known. Any may be null, and a refused
  /// one may ask for nothing.
  func check(_ reader: RequestReader) throws(APIError) {
    for (name, value) in reader.object.members {
      if value.isNull || known.contains(name) || ignored.contains(name) { continue }
      if let reason = refused[name] {
        if neutral[name]?.contains(where: { Self.areSame($0, value) }) ?? false { continue }
        throw .unsupported(reader.path(name), reason)
      }
      throw .unknownParameter(reader.path(name), suggestion: suggestion(for: name))
    }
  }

  private static func areSame(_ a: JSONValue, _ b: JSONValue) -> Bool {
    if let a = a.double, let b = b.double { return a == b }
    return a == b
  }

  /// The known name closest to `name`, where it is close: at most one slip in three characters, and at most three.
  package func suggestion(for name: String) -> String? {
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
