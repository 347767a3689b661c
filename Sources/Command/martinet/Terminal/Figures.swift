import Inference

/// Numbers as people read them.
enum Figures {
  /// Bytes in binary units: "14.2 MiB".
  static func size(_ bytes: Int) -> String {
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
  static func perRank(_ bytes: [Int]) -> String {
    guard let low = bytes.min(), let high = bytes.max(), bytes.count > 1 else { return size(bytes.first ?? 0) }
    return low == high ? "\(size(low)) a rank" : "\(size(low)) to \(size(high)) a rank"
  }

  /// A number with a fixed count of decimal places; "-" for NaN and infinities.
  static func decimals(_ value: Double, _ places: Int) -> String {
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

  /// One "s" where there are several.
  static func count(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
}

extension LoadReport {
  /// What loading cost, in one line.
  var summary: String {
    let rate = seconds > 0 ? Double(bytesReadByRank.reduce(0, +)) / seconds / 1e9 : 0
    return
      "read \(Figures.perRank(bytesReadByRank)) at \(Figures.decimals(rate, 2)) GB/s; memory \(Figures.perRank(memoryByRank)), "
      + "and up to \(Figures.size(cacheBytes)) a rank for a cache of \(cacheTokens) tokens (\(cacheType.rawValue))"
  }
}
