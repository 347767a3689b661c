import JSON

/// What a supervised job tells of a work that it keeps by itself, such as a training: a line on standard error.
package struct JobProgress: Sendable, Equatable {
  /// Steps done, of which the next job would have to do those after `kept` again.
  package var done: Int
  package var kept: Int
  /// The job ends by something that would end the next one in the same way.
  package var isFinal: Bool

  package init(done: Int, kept: Int, isFinal: Bool = false) {
    (self.done, self.kept, self.isFinal) = (done, kept, isFinal)
  }

  private static let mark = "martinet: progress "

  package var line: String {
    let json: JSONValue = ["done": .int(done), "kept": .int(kept), "final": .bool(isFinal)]
    return Self.mark + json.text()
  }

  /// Reads a line of this form; nil for any other line, whatever it holds.
  package init?(line: String) {
    guard line.hasPrefix(Self.mark) else { return nil }
    let limits = JSONLimits(byteCount: 1 << 10, depth: 2)
    guard let json = try? JSONValue(parsing: line.utf8.dropFirst(Self.mark.utf8.count), limits: limits),
      let done = json["done"]?.exactInt, let kept = json["kept"]?.exactInt, let isFinal = json["final"]?.bool,
      (0...1 << 52).contains(done), (0...done).contains(kept)
    else { return nil }
    self.init(done: done, kept: kept, isFinal: isFinal)
  }
}
