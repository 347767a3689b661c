/// Numbers as people read them.
package enum Figures {
  /// Bytes in binary units: "14.2 MiB".
  package static func size(_ bytes: Int) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"]
    var value = Double(bytes)
    var unit = 0
    while value >= 1024, unit < units.count - 1 {
      value /= 1024
      unit += 1
    }
    return unit == 0 ? "\(bytes) B" : "\(decimals(value, 1)) \(units[unit])"
  }

  /// What each rank has, as one size or a range of them.
  package static func perRank(_ bytes: [Int]) -> String {
    guard let low = bytes.min(), let high = bytes.max(), bytes.count > 1 else { return size(bytes.first ?? 0) }
    return low == high ? "\(size(low)) a rank" : "\(size(low)) to \(size(high)) a rank"
  }

  /// A number with a fixed count of decimal places; "-" for NaN and infinities.
  package static func decimals(_ value: Double, _ places: Int) -> String {
    guard value.isFinite else { return "-" }
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let scaled = (value * scale).rounded()
    guard abs(scaled) < 1e15 else { return "\(value)" }
    let digits = String(Int(abs(scaled)))
    let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
    let sign = scaled < 0 ? "-" : ""
    return places == 0 ? sign + padded : sign + padded.dropLast(places) + "." + padded.suffix(places)
  }

  /// A number in three digits and a power of ten: "3.00e-4"; "-" for NaN and infinities.
  package static func scientific(_ value: Double) -> String {
    guard value.isFinite, value != 0 else { return value == 0 ? "0" : "-" }
    var (digits, power) = (abs(value), 0)
    while digits >= 9.995 { (digits, power) = (digits / 10, power + 1) }
    while digits < 0.9995 { (digits, power) = (digits * 10, power - 1) }
    return (value < 0 ? "-" : "") + decimals(digits, 2) + "e\(power)"
  }

  /// One "s" where there are several.
  package static func count(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
}
