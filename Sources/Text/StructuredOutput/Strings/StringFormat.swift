/// The formats of JSON Schema that outputs are held to. Others are annotations.
enum StringFormat: String, CaseIterable {
  case date
  case time
  case dateTime = "date-time"
  case duration
  case uuid
  case email
  case hostname
  case ipv4
  case ipv6
  case uri
  case uriReference = "uri-reference"
  case uriTemplate = "uri-template"
  case iri
  case regex

  /// A pattern for whole strings. Each admits a subset of what its RFC does, which every validator accepts.
  var pattern: String {
    switch self {
    case .date: Self.fullDate
    case .time: Self.fullTime
    case .dateTime: "(?:\(Self.fullDate))T\(Self.fullTime)"
    case .duration:
      // ISO 8601: at least one part, and one after the T if that is there.
      "P(?:\\d{1,4}W|(?:\(Self.durationDate))(?:\(Self.durationTime))?|\(Self.durationTime))"
    case .uuid: "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    case .email: "[A-Za-z0-9_+-]{1,20}(?:\\.[A-Za-z0-9_+-]{1,20}){0,2}@\(Self.label)(?:\\.\(Self.label)){1,3}"
    case .hostname: "\(Self.label)(?:\\.\(Self.label)){0,6}"
    case .ipv4: "(?:\(Self.octet)\\.){3}\(Self.octet)"
    case .ipv6: Self.addressOfIPv6
    case .uri: Self.identifier("", isRelative: false)
    case .iri: Self.identifier("\\u00A0-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFEF", isRelative: false)
    case .uriTemplate:
      "(?:[A-Za-z0-9._~!$&()*+,;=:@/?#\\[\\]-]|%[0-9A-Fa-f]{2}|\\{[+#./;?&]?\(Self.variable)(?:,\(Self.variable))*\\})*"
    case .uriReference: "(?:\(Self.identifier("", isRelative: false))|\(Self.identifier("", isRelative: true)))"
    case .regex: Self.regularExpression
    }
  }

  /// Years from 0001; 29 February in leap years only.
  private static let fullDate: String = {
    let year = "(?:000[1-9]|00[1-9]\\d|0[1-9]\\d{2}|[1-9]\\d{3})"
    let leap = "(?:\\d{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
    let day = "(?:0[1-9]|1\\d|2[0-8])"
    return """
      (?:\(year)-(?:(?:0[1-9]|1[0-2])-\(day)|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)|\(leap)-02-29)
      """
  }()
  /// No leap seconds: whether one existed depends on the day.
  private static let fullTime =
    "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)"
  private static let durationDate = "\\d{1,4}Y(?:\\d{1,4}M(?:\\d{1,4}D)?)?|\\d{1,4}M(?:\\d{1,4}D)?|\\d{1,4}D"
  private static let durationTime = "T(?:\\d{1,4}H(?:\\d{1,4}M)?(?:\\d{1,4}S)?|\\d{1,4}M(?:\\d{1,4}S)?|\\d{1,4}S)"
  private static let octet = "(?:25[0-5]|2[0-4]\\d|1\\d{2}|[1-9]?\\d)"
  /// Shorter than the 63 that DNS allows: an automaton counts in states.
  private static let label = "[A-Za-z](?:[A-Za-z0-9-]{0,29}[A-Za-z0-9])?"
  /// RFC 3986, sections 3 and 4.2, with `more` characters where that has letters.
  private static func identifier(_ more: String, isRelative: Bool) -> String {
    func characters(_ punctuation: String) -> String {
      "(?:[A-Za-z0-9\(more)._~!$&'()*+,;=\(punctuation)-]|%[0-9A-Fa-f]{2})"
    }
    let authority = "//(?:\(characters(":"))*@)?(?:\(characters(""))*|\\[(?:\(addressOfIPv6))\\])(?::\\d{0,5})?"
    let segments = "\(characters(":@/"))*"
    let paths = [
      "\(authority)(?:/\(segments))?", "/(?:\(characters(":@"))\(segments))?",
      isRelative ? "(?:\(characters("@"))+(?:/\(segments))?)?" : "(?:\(characters(":@"))\(segments))?",
    ]
    let path = "(?:\(paths.joined(separator: "|")))(?:\\?\(characters(":@/?"))*)?(?:#\(characters(":@/?"))*)?"
    return isRelative ? path : "[A-Za-z][A-Za-z0-9+.-]*:\(path)"
  }
  private static let variable = "(?:[A-Za-z0-9_]+(?:\\.[A-Za-z0-9_]+)*(?::[1-9]\\d{0,3}|\\*)?)"

  /// Patterns that every dialect reads, with groups in groups in groups at most. What stands outside of groups may have
  /// all counts, what stands in groups has few, since each level of them costs states twice.
  private static let regularExpression: String = {
    let escape = "\\\\[dDwWsSbBtnrfv.*+?^$|(){}\\[\\]\\\\/-]"
    let member = "(?:a-z|A-Z|0-9|a-f|A-F|[^\\\\\\[\\]\\-&~|\\^]|\\\\[dDwWsStnrfv.*+?^$|(){}\\[\\]\\\\/-])"
    let atom = "(?:[^\\\\\\[\\](){}*+?|^$]|\(escape)|\\[\\^?\(member)+-?\\])"
    let repeated = quantifier("[1-9]?\\d(?:,(?:[1-9]\\d\\d)?)?")
    let single = quantifier(counts(exactTens: 0))
    var inner = "(?:\(atom)\(repeated)?|[\\^$|])*"
    for counted in [repeated, single, quantifier(counts(exactTens: 3))] {
      inner = "(?:\(atom)\(counted)?|[\\^$|]|\\((?:\\?:)?\(inner)\\)\(repeated)?|\\(\\?[=!]\(inner)\\))*"
    }
    return inner
  }()
  private static func quantifier(_ counts: String) -> String { "(?:[*+?]\\??|\\{(?:\(counts))\\}\\??)" }
  /// A count below 100, and a second one that is not below the first and has three digits at most. Above `exactTens`
  /// tens the second has more tens, since each first count costs states of its own.
  private static func counts(exactTens: Int) -> String {
    func digits(from low: Int) -> String { low == 9 ? "9" : "[\(low)-9]" }
    let ones = (0...9).map { "\($0)(?:,(?:\(digits(from: $0))|[1-9]\\d{1,2})?)?" }
    let tens = (1...9).map { ten in
      let more = (ten < 9 ? "\(digits(from: ten + 1))\\d|" : "") + "[1-9]\\d\\d"
      guard ten <= exactTens else { return "\(ten)\\d(?:,(?:\(more))?)?" }
      let ones = (0...9).map { "\($0)(?:,(?:\(ten)\(digits(from: $0))|\(more))?)?" }
      return "\(ten)(?:\(ones.joined(separator: "|")))"
    }
    return (ones + tens).joined(separator: "|")
  }

  /// Eight groups, or fewer with one "::".
  private static let addressOfIPv6: String = {
    let group = "[0-9a-fA-F]{1,4}"
    var forms = ["(?:\(group):){7}\(group)", "::(?:\(group)(?::\(group)){0,6})?"]
    for before in 1...6 {
      let after = 7 - before
      forms.append("\(group)(?::\(group)){\(before - 1)}::(?:\(group)(?::\(group)){0,\(after - 1)})?")
    }
    return forms.joined(separator: "|")
  }()
}
