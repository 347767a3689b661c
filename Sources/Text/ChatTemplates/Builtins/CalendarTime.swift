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
    self.year = year
    self.month = month
    self.day = day
    self.hour = hour
    self.minute = minute
    self.second = second
  }

  /// This machine's local time.
  package static func now() -> CalendarTime {
    var seconds = time(nil)
    var parts = tm()
    guard localtime_r(&seconds, &parts) != nil else { return CalendarTime(year: 1970, month: 1, day: 1) }
    return CalendarTime(
      year: Int(parts.tm_year) + 1900, month: Int(parts.tm_mon) + 1, day: Int(parts.tm_mday),
      hour: Int(parts.tm_hour), minute: Int(parts.tm_min), second: Int(parts.tm_sec))
  }

  private static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
  ]
  private static let days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
  private static let daysBefore = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]

  private var monthIndex: Int { min(max(month, 1), 12) - 1 }

  /// Days since the year began, from 0.
  private var yearDay: Int {
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    return Self.daysBefore[monthIndex] + day - 1 + (isLeap && monthIndex > 1 ? 1 : 0)
  }

  /// 0 for Sunday (Sakamoto's method).
  private var weekday: Int {
    let shift = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4][monthIndex]
    let y = monthIndex < 2 ? year - 1 : year
    let sum = y + y / 4 - y / 100 + y / 400 + shift + day
    return (sum % 7 + 7) % 7
  }

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
    func padded(_ value: Int, _ width: Int, _ fill: String = "0") -> String {
      let digits = String(value)
      return isBare ? digits : String(repeating: fill, count: max(0, width - digits.count)) + digits
    }
    switch directive {
    case "Y": return String(year)
    case "y": return padded(year % 100, 2)
    case "C": return padded(year / 100, 2)
    case "m": return padded(month, 2)
    case "d": return padded(day, 2)
    case "e": return padded(day, 2, " ")
    case "B": return Self.months[monthIndex]
    case "b", "h": return String(Self.months[monthIndex].prefix(3))
    case "A": return Self.days[weekday]
    case "a": return String(Self.days[weekday].prefix(3))
    case "j": return padded(yearDay + 1, 3)
    case "u": return String(weekday == 0 ? 7 : weekday)
    case "w": return String(weekday)
    case "U": return padded((yearDay + 7 - weekday) / 7, 2)
    case "W": return padded((yearDay + 7 - (weekday + 6) % 7) / 7, 2)
    case "H": return padded(hour, 2)
    case "I": return padded((hour + 11) % 12 + 1, 2)
    case "M": return padded(minute, 2)
    case "S": return padded(second, 2)
    case "f": return "000000"
    case "p": return hour < 12 ? "AM" : "PM"
    case "D", "x": return formatted("%m/%d/%y")
    case "F": return formatted("%Y-%m-%d")
    case "T", "X": return formatted("%H:%M:%S")
    case "R": return formatted("%H:%M")
    case "r": return formatted("%I:%M:%S %p")
    case "c": return formatted("%a %b %e %H:%M:%S %Y")
    // Python's datetime.now() carries no time zone.
    case "Z", "z": return ""
    case "n": return "\n"
    case "t": return "\t"
    case "%": return "%"
    default: return nil
    }
  }
}
