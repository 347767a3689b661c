import JSON

/// The kinds of values that JSON Schema's "type" tells apart; a number is an integer or a fraction.
struct TypeSet: OptionSet, Hashable, Sendable {
  let rawValue: UInt8
  static let null = TypeSet(rawValue: 1)
  static let boolean = TypeSet(rawValue: 2)
  static let integer = TypeSet(rawValue: 4)
  static let fraction = TypeSet(rawValue: 8)
  static let string = TypeSet(rawValue: 16)
  static let array = TypeSet(rawValue: 32)
  static let object = TypeSet(rawValue: 64)
  static let number: TypeSet = [.integer, .fraction]
  static let all: TypeSet = [.null, .boolean, .number, .string, .array, .object]

  /// nil for a word that is no type.
  init?(name: String) {
    switch name {
    case "null": self = .null
    case "boolean": self = .boolean
    case "integer": self = .integer
    case "number": self = .number
    case "string": self = .string
    case "array": self = .array
    case "object": self = .object
    default: return nil
    }
  }

  init(rawValue: UInt8) { self.rawValue = rawValue }
}

/// Values that a schema lists, and their text, which is written once for all shapes that share them.
private final class ListedValues {
  let values: [JSONValue]
  private(set) lazy var text: String = {
    var bytes: [UInt8] = []
    for value in values {
      // Most are strings, which a general writer writes more slowly.
      if let text = value.string { bytes += JSONText.string(text) } else { bytes += value.text().utf8 }
      bytes.append(UInt8(ascii: ","))
    }
    return String(decoding: bytes, as: UTF8.self)
  }()

  init(_ values: [JSONValue]) { self.values = values }
}

/// Demands that all hold for one value: what remains of schemas once references and combinations are resolved.
struct Shape {
  /// The items of one schema: its "additionalProperties" and "items" speak of its own lists only.
  struct Items {
    var prefix: [SchemaReference] = []
    var rest: SchemaReference?
  }
  struct Members {
    var properties: [(name: String, schema: SchemaReference)] = []
    var index: [ExactString: Int] = [:]
    var patterns: [(pattern: String, schema: SchemaReference)] = []
    var additional: SchemaReference?

    mutating func add(_ name: String, _ schema: SchemaReference) {
      index[ExactString(name)] = properties.count
      properties.append((name, schema))
    }
  }

  /// A member is there of which a schema with the pointer `mark` is demanded, or else is not.
  struct Witness {
    var mark: String
    var isMarked: Bool
  }
  /// So many items of an array satisfy a schema.
  struct Contained {
    var schema: SchemaReference
    var minimum = 1
    var maximum: Int?
  }

  /// Where the schema stands, for errors.
  var pointer: String
  var types: TypeSet = .all
  /// The only values that are left, when "enum" or "const" say so.
  var values: [JSONValue]? {
    get { listed?.values }
    set { listed = newValue.map { ListedValues($0) } }
  }
  private var listed: ListedValues?
  var number = NumberConstraint()
  var minimumLength = 0
  var maximumLength: Int?
  var patterns: [String] = []
  /// Patterns that must not be found, and texts that a string must not be.
  var excludedPatterns: [String] = []
  var excludedTexts: [String] = []
  var formats: [StringFormat] = []
  var items: [Items] = []
  var minimumItemCount = 0
  var maximumItemCount: Int?
  var hasUniqueItems = false
  var contained: [Contained] = []
  var members: [Members] = []
  var required: [String] = []
  var minimumMemberCount = 0
  var maximumMemberCount: Int?
  /// What the names of members have to satisfy, as strings.
  var nameSchemas: [SchemaReference] = []
  /// Names that must come along with a name.
  var companions: [(name: String, needed: [String])] = []
  var witnesses: [Witness] = []

  init(pointer: String) { self.pointer = pointer }

  /// What element `index` of an array has to satisfy; `nil` stands for all beyond the prefixes.
  func demands(onItem index: Int?) -> [SchemaReference] {
    items.compactMap { list in
      if let index, index < list.prefix.count { list.prefix[index] } else { list.rest }
    }
  }

  var prefixCount: Int { items.map(\.prefix.count).max() ?? 0 }

  /// Names that schemas mention, in the order in which they are written: as declared, then those required only.
  var memberNames: [String] {
    var seen: Set<ExactString> = []
    var names: [String] = []
    let needed = companions.flatMap { [$0.name] + $0.needed }
    for name in members.flatMap({ $0.properties.map(\.name) }) + required + needed
    where seen.insert(ExactString(name)).inserted { names.append(name) }
    return names
  }

  /// A text that is the same for shapes that admit the same values for the same reasons.
  var signature: String {
    var parts = ["t\(types.rawValue)"]
    if let listed { parts.append("v" + listed.text) }
    if !types.isDisjoint(with: .number) { parts.append("n\(number)") }
    if types.contains(.string) { parts.append("s" + stringSignature) }
    if types.contains(.array) {
      parts.append("a\(minimumItemCount),\(maximumItemCount ?? -1),\(hasUniqueItems)")
      parts += items.map { "\($0.prefix.map(\.key)),\($0.rest?.key ?? "")" }
      parts += contained.map { "c\($0.schema.key),\($0.minimum),\($0.maximum ?? -1)" }
    }
    if types.contains(.object) { parts.append(objectSignature) }
    return parts.joined(separator: ";")
  }

  /// The part of the signature that speaks of strings.
  var stringSignature: String {
    "\(minimumLength),\(maximumLength ?? -1),\(patterns),\(excludedPatterns),\(excludedTexts),\(formats)"
  }

  /// The part of the signature that speaks of objects.
  var objectSignature: String {
    var parts = ["o\(minimumMemberCount),\(maximumMemberCount ?? -1),\(required)"]
    for list in members {
      parts.append(list.properties.map { "\($0.name.debugDescription)=\($0.schema.key)" }.joined(separator: ","))
      parts.append(list.patterns.map { "\($0.pattern.debugDescription)~\($0.schema.key)" }.joined(separator: ","))
      parts.append(list.additional?.key ?? "")
    }
    parts += nameSchemas.map { "n\($0.key)" }
    parts += witnesses.map { "w\($0.mark),\($0.isMarked)" }
    parts += companions.map { "d\($0.name.debugDescription)\($0.needed)" }
    return parts.joined(separator: ";")
  }
}
