#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A local date and time, as `strftime_now` shows it. Names of days and months are English, as in the C locale.
package struct CalendarTime: Sendable, Equatable {
  package var year: Int
  /// 1 to 12.
  package var month: Int
  /// 1 to 31.
  package var day: Int
  package var hour: Int
  package var minute: Int
  package var second: Int

  package init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
    (self.year, self.month, self.day, self.hour, self.minute, self.second) = (year, month, day, hour, minute, second)
  }

  /// This machine's local time.
  package static func now() -> CalendarTime {
    var seconds = time(nil)
    var parts = unsafe tm()
    guard unsafe localtime_r(&seconds, &parts) != nil else { return CalendarTime(year: 1970, month: 1, day: 1) }
    return unsafe CalendarTime(
      year: Int(parts.tm_year) + 1900, month: Int(parts.tm_mon) + 1, day: Int(parts.tm_mday),
      hour: Int(parts.tm_hour), minute: Int(parts.tm_min), second: Int(parts.tm_sec))
  }

  /// As the C library has it, with the day of the week and of the year.
  private var parts: tm {
    var parts = unsafe tm()
    unsafe (parts.tm_year, parts.tm_mon) = (Int32(clamping: year - 1900), Int32(clamping: month - 1))
    unsafe (parts.tm_mday, parts.tm_hour) = (Int32(clamping: day), Int32(clamping: hour))
    unsafe (parts.tm_min, parts.tm_sec) = (Int32(clamping: minute), Int32(clamping: second))
    _ = unsafe timegm(&parts)
    return unsafe parts
  }

  /// What the C library writes as Python does.
  private static let directives = Set("YyCmdeBbhAajuwUWHIMSpDxFTXRrcnt%".unicodeScalars)

  /// This time by a `strftime` format; a directive this does not know stays as it is written.
  func formatted(_ format: String) -> String {
    var out = ""
    var scalars = Substring(format).unicodeScalars
    while let scalar = scalars.popFirst() {
      guard scalar == "%", let next = scalars.popFirst() else {
        out.unicodeScalars.append(scalar)
        continue
      }
      let isBare = next == "-"
      guard let directive = isBare ? scalars.popFirst() : next else {
        out += "%-"
        continue
      }
      out += field(directive, isBare: isBare) ?? (isBare ? "%-" : "%") + String(directive)
    }
    return out
  }

  private func field(_ directive: Unicode.Scalar, isBare: Bool) -> String? {
    switch directive {
    case "f": return "000000"
    // Python's datetime.now() carries no time zone.
    case "Z", "z": return ""
    case _ where Self.directives.contains(directive):
      var (parts, text) = unsafe (parts, [CChar](repeating: 0, count: 64))
      let count = unsafe strftime(&text, text.count, (isBare ? "%-" : "%") + String(directive), &parts)
      return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    default: return nil
    }
  }
}
