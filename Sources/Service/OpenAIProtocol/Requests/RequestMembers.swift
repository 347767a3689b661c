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
      throw .unknownParameter(reader.path(name), suggestion: NearestName.of(name, among: known))
    }
  }

  private static func areSame(_ a: JSONValue, _ b: JSONValue) -> Bool {
    if let a = a.double, let b = b.double { return a == b }
    return a == b
  }
}
