import Synchronization

/// Models by whose names a server answered: not always the one that was asked.
package final class AnsweringModels: Sendable {
  /// More are not told.
  private static let limit = 8
  /// Of a name's Unicode scalars no more are shown.
  private static let shownLength = 200
  /// Whole, as the server wrote them.
  private let found = Mutex<Set<String>>([])

  package init() {}

  /// nil: the server did not say.
  package func note(_ name: String?) {
    guard let name else { return }
    found.withLock { names in if names.count < Self.limit { names.insert(name) } }
  }

  /// As they may be shown, in the order of their bytes; empty where it was `asked` alone.
  package func others(than asked: String) -> [String] {
    let names = found.withLock { $0 }
    if names == [asked] { return [] }
    return Set(names.map(Self.shown)).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// A name without what a terminal would obey, and not without end.
  package static func shown(_ name: String) -> String {
    var shown = String.UnicodeScalarView()
    for scalar in name.unicodeScalars where scalar.properties.generalCategory != .control {
      guard shown.count < shownLength else { return String(shown) + "…" }
      shown.append(scalar)
    }
    return String(shown)
  }
}
