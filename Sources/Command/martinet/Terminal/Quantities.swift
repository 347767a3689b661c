import Reports

/// Large numbers and long times as people say them.
enum Quantities {
  /// "14.8 T", "11.85 M", "512".
  static func count(_ value: Double, _ places: Int = 2) -> String {
    for (unit, name) in [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")] where value >= unit {
      return Figures.decimals(value / unit, places) + " " + name
    }
    return Figures.decimals(value, 0)
  }

  /// Operations: "250.4 GFLOP".
  static func operations(_ value: Double) -> String {
    for (unit, name) in [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")] where value >= unit {
      return Figures.decimals(value / unit, 1) + " \(name)FLOP"
    }
    return Figures.decimals(value, 0) + " FLOP"
  }

  /// "8.3 s", "3 min 20 s", "5.2 hours", "55.1 days", "4.2 years".
  static func time(_ seconds: Double) -> String {
    switch seconds {
    case ..<60: return Figures.decimals(seconds, 1) + " s"
    case ..<3600: return "\(Int(seconds) / 60) min \(Int(seconds) % 60) s"
    case ..<172_800: return Figures.decimals(seconds / 3600, 1) + " hours"
    case ..<(2 * 365.25 * 86400): return Figures.decimals(seconds / 86400, 1) + " days"
    default: return Figures.decimals(seconds / 86400 / 365.25, 1) + " years"
    }
  }

  /// With as many places as leave four digits or so: "0.0123", "12.3", "2788000".
  static func amount(_ value: Double) -> String {
    switch abs(value) {
    case ..<0.1: Figures.decimals(value, 5)
    case ..<1: Figures.decimals(value, 4)
    case ..<100: Figures.decimals(value, 2)
    case ..<10_000: Figures.decimals(value, 1)
    default: Figures.decimals(value, 0)
    }
  }
}

/// The text behind blanks, `width` characters wide together if it is no longer.
func right(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }

/// In billions, with one place.
func gigas(_ value: Double) -> String { Figures.decimals(value / 1e9, 1) }

extension String {
  /// The string followed by blanks up to `width` characters, at least one.
  func padding(to width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}
