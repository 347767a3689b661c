/// How findings name hosts, sizes and rates.
enum Words {
  /// The first eight by name, the others by number.
  static func list(_ names: [String]) -> String {
    let shown = names.prefix(8).joined(separator: ", ")
    return names.count > 8 ? "\(shown) and \(names.count - 8) more" : shown
  }

  static func count(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

  /// With one digit behind the point.
  static func decimal(_ value: Double) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "-" }
    let tenths = Int((abs(value) * 10).rounded())
    return "\(value < 0 && tenths > 0 ? "-" : "")\(tenths / 10).\(tenths % 10)"
  }

  static func size(_ bytes: Int) -> String {
    var (value, unit) = (Double(bytes), 0)
    let units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
    return unit == 0 ? "\(bytes) B" : "\(decimal(value)) \(units[unit])"
  }

  /// One size, or the least and the greatest.
  static func sizes(_ bytes: [Int]) -> String {
    guard let low = bytes.min(), let high = bytes.max() else { return "-" }
    let (first, last) = (size(low), size(high))
    return first == last ? first : "\(first) to \(last)"
  }

  static func time(_ seconds: Double) -> String {
    seconds < 1e-3
      ? "\(decimal(seconds * 1e6)) µs" : seconds < 1 ? "\(decimal(seconds * 1e3)) ms" : "\(decimal(seconds)) s"
  }

  static func rate(_ bytesPerSecond: Double) -> String { "\(decimal(bytesPerSecond * 8 / 1e9)) Gbit/s" }

  /// One value, or the least and the greatest.
  static func range(_ values: [Double], _ words: (Double) -> String) -> String {
    guard let low = values.min(), let high = values.max() else { return "-" }
    let (first, last) = (words(low), words(high))
    return first == last ? first : "\(first) to \(last)"
  }
}
