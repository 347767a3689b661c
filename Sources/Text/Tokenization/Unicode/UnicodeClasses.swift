/// The character classes of the reference regular-expression engine (Unicode 16), by name.
enum UnicodeClasses {
  /// General categories in the order of `UnicodeTable.generalCategories`' letters.
  static let categoryNames = [
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
    "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn",
  ]

  private static let categories: [String: ScalarSet] = {
    var ranges = [[ClosedRange<UInt32>]](repeating: [], count: categoryNames.count)
    var next: UInt32 = 0
    var category = 0
    var length: UInt32 = 0
    func close() {
      let run = max(length, 1)
      ranges[category].append(next...(next + run - 1))
      next += run
      length = 0
    }
    var isFirst = true
    for byte in UnicodeTable.generalCategories.utf8 {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): length = length * 10 + UInt32(byte - 48)
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "d"):
        if !isFirst { close() }
        isFirst = false
        category = Int(byte < 97 ? byte - 65 : byte - 97 + 26)
      default: break
      }
    }
    close()
    var sets: [String: ScalarSet] = [:]
    for (name, ranges) in zip(categoryNames, ranges) {
      let set = ScalarSet(name == "Cs" ? [] : ranges)
      sets[name] = set
      let major = String(name.prefix(1))
      sets[major] = sets[major, default: .empty].union(set)
    }
    sets["LC"] = ["Lu", "Ll", "Lt"].reduce(.empty) { $0.union(sets[$1, default: .empty]) }
    return sets
  }()

  /// The set of a general category ("Lu") or group of them ("L").
  static func category(_ name: String) -> ScalarSet { categories[name] ?? .empty }

  static let whitespace = ScalarSet(hexadecimal: "9-D 20 85 A0 1680 2000-200A 2028-2029 202F 205F 3000")
  private static let circledLetters = ScalarSet(hexadecimal: "24B6-24E9 1F130-1F149 1F150-1F169 1F170-1F189")

  static let alphabetic = category("L").union(category("Nl")).union(circledLetters)
    .union(category("M").subtracting(ScalarSet(hexadecimal: UnicodeTable.marksNotAlphabetic)))
  /// What `\w` in brackets has beyond the categories L, M, Nd, Nl and Pc.
  static let extraWord = circledLetters
  /// What `\w` outside brackets has besides: a peculiarity of the engine.
  static let latinWordNumbers = ScalarSet(hexadecimal: "B2-B3 B9 BC-BE")
  static let wordCategories = ["L", "M", "Nd", "Nl", "Pc"]
  /// Letters, marks, digits, connectors and joiners: the word characters of an added token with `single_word`.
  static let tokenWord = alphabetic.union(category("M")).union(category("Nd")).union(category("Pc"))
    .union(ScalarSet(hexadecimal: "200C-200D"))

  static let uppercase = category("Lu")
    .union(ScalarSet(hexadecimal: "2160-216F 24B6-24CF 1F130-1F149 1F150-1F169 1F170-1F189"))
  static let lowercase = category("Ll").union(
    ScalarSet(
      hexadecimal: """
        AA BA 2B0-2B8 2C0-2C1 2E0-2E4 345 37A 10FC 1D2C-1D6A 1D78 1D9B-1DBF 2071 207F 2090-209C 2170-217F 24D0-24E9
        2C7C-2C7D A69C-A69D A770 A7F2-A7F4 A7F8-A7F9 AB5C-AB5F AB69 10780 10783-10785 10787-107B0 107B2-107BA
        1E030-1E06D
        """))

  /// Numbers as the pre-tokenizer Digits sees them: N as of Unicode 17.
  static let numeric = category("N").union(ScalarSet(hexadecimal: "11DE0-11DE9 16FF4-16FF6"))

  /// Punctuation as the pre-tokenizer of that name sees it: ASCII's, and P as it was in Unicode 8.
  static let punctuation = category("P").union(ScalarSet(hexadecimal: "24 2B 3C-3E 5E 60 7C 7E 166D 111C9"))
    .subtracting(
      ScalarSet(
        hexadecimal: """
          61D 9FD A76 C77 C84 1B4E-1B4F 1B7D-1B7F 2E43-2E4F 2E52-2E5D 10D6E 10EAD 10F55-10F59 10F86-10F89
          113D4-113D5 113D7-113D8 1144B-1144F 1145A-1145B 1145D 11660-1166C 116B9 1183B 11944-11946 119E2 11A3F-11A46
          11A9A-11A9C 11A9E-11AA2 11B00-11B09 11BE1 11C41-11C45 11C70-11C71 11EF7-11EF8 11F43-11F4F 11FFF 12FF1-12FF2
          16D6D-16D6F 16E97-16E9A 16FE2 1E5FF 1E95E-1E95F
          """))

  /// The set of a property name in `\p{…}`; nil when it is not among the properties we have a table for.
  static func property(_ name: String) -> ScalarSet? {
    let key = normalized(name)
    if let category = categoryAliases[key] { return Self.category(category) }
    switch key {
    case "alpha", "alphabetic": return alphabetic
    case "upper", "uppercase": return uppercase
    case "lower", "lowercase": return lowercase
    case "space", "whitespace": return whitespace
    case "any": return ScalarSet.empty.inverted()
    case "ascii": return ScalarSet([0...0x7F])
    case "assigned": return Self.category("Cn").inverted()
    default: return UnicodeTable.scripts[key].map { ScalarSet(hexadecimal: $0) }
    }
  }

  /// The general category (as `categoryNames` and its groups spell it) that `name` stands for.
  static func categoryName(of name: String) -> String? { categoryAliases[normalized(name)] }

  private static func normalized(_ name: String) -> String {
    String(name.filter { $0 != " " && $0 != "_" && $0 != "-" }).lowercased()
  }

  private static let categoryAliases: [String: String] = {
    var aliases = [
      "letter": "L", "uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt", "casedletter": "LC",
      "modifierletter": "Lm", "otherletter": "Lo", "mark": "M", "combiningmark": "M", "nonspacingmark": "Mn",
      "spacingmark": "Mc", "enclosingmark": "Me", "number": "N", "decimalnumber": "Nd", "digit": "Nd",
      "letternumber": "Nl", "othernumber": "No", "punctuation": "P", "punct": "P", "connectorpunctuation": "Pc",
      "dashpunctuation": "Pd", "openpunctuation": "Ps", "closepunctuation": "Pe", "initialpunctuation": "Pi",
      "finalpunctuation": "Pf", "otherpunctuation": "Po", "symbol": "S", "mathsymbol": "Sm", "currencysymbol": "Sc",
      "modifiersymbol": "Sk", "othersymbol": "So", "separator": "Z", "spaceseparator": "Zs", "lineseparator": "Zl",
      "paragraphseparator": "Zp", "other": "C", "control": "Cc", "cntrl": "Cc", "format": "Cf", "privateuse": "Co",
      "unassigned": "Cn", "lc": "LC",
    ]
    for name in categoryNames + ["L", "M", "N", "P", "S", "Z", "C"] { aliases[name.lowercased()] = name }
    return aliases
  }()
}
