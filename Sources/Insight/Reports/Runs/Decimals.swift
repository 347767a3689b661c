/// Numbers as people read them in reports.
enum Decimals {
  /// With a fixed count of decimal places; "–" where it is no number.
  static func text(_ value: Double, _ places: Int = 1) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "–" }
    return Figures.decimals(value, places).replacing("-", with: "−")
  }

  static func percent(_ share: Double, _ places: Int = 1) -> String { text(100 * share, places) + " %" }

  /// Nanoseconds in the unit that suits them.
  static func time(_ nanoseconds: Double) -> String {
    switch abs(nanoseconds) {
    case ..<1e4: text(nanoseconds / 1e3, 2) + " µs"
    case ..<1e6: text(nanoseconds / 1e3, 0) + " µs"
    case ..<1e9: text(nanoseconds / 1e6, 2) + " ms"
    default: text(nanoseconds / 1e9, 2) + " s"
    }
  }

  static func bytes(_ count: Int) -> String {
    switch count {
    case ..<10_000: "\(count) B"
    case ..<10_000_000: text(Double(count) / 1e3, 1) + " kB"
    case ..<10_000_000_000: text(Double(count) / 1e6, 1) + " MB"
    default: text(Double(count) / 1e9, 1) + " GB"
    }
  }
}
