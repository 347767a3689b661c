import JSON

/// One setting's key, or several that different releases use for the same setting.
package struct ConfigKeys: ExpressibleByStringLiteral, ExpressibleByArrayLiteral, Sendable {
  let names: [String]
  package init(_ name: String) { names = [name] }
  package init(stringLiteral name: String) { names = [name] }
  package init(arrayLiteral names: String...) { self.names = names }
}

/// Typed, range-checked settings of a JSON object; every error names the file and the key.
///
/// `null` counts as missing, and what is missing is what `defaults` say. Integers must be written plainly (`2.0`, `1e3`
/// and `-0` are refused). When two aliases of one setting are both present they must agree.
package struct ConfigReader: Sendable {
  package let path: String
  package let object: JSONObject
  /// `rope_scaling.` in a nested reader, for messages.
  private let prefix: String
  private let defaults: ConfigDefaults
  /// Settings of the whole document that count where this object lacks them.
  private var inherited = JSONObject()
  /// Shared by all readers of one document.
  private let asked: AskedKeys

  /// Throws when `value` is not an object.
  package init(_ value: JSONValue, path: String) throws(CheckpointError) {
    guard let object = value.object else {
      throw .setting(path: path, key: "the document", .wrongKind(expected: "an object", found: value.kind))
    }
    self.init(object, path: path, prefix: "", defaults: ConfigDefaults(), asked: AskedKeys())
  }

  private init(_ object: JSONObject, path: String, prefix: String, defaults: ConfigDefaults, asked: AskedKeys) {
    (self.object, self.path, self.prefix, self.defaults, self.asked) = (object, path, prefix, defaults, asked)
  }

  /// A reader of the same document that takes `defaults` for what is missing.
  package func taking(_ defaults: ConfigDefaults) -> ConfigReader {
    var reader = ConfigReader(object, path: path, prefix: prefix, defaults: defaults, asked: asked)
    reader.inherited = inherited
    return reader
  }

  /// A reader of the same object in which `keys` are the whole document's where the object lacks them.
  package func inheriting(_ keys: [String], from document: ConfigReader) -> ConfigReader {
    var reader = self
    for key in keys { reader.inherited[key] = document.object[key] }
    return reader
  }

  /// The settings that are present, and not null, but that no reader of this document has asked for; those of nested
  /// objects as `outer.inner`, where one of them was asked for. Names begin at this reader's object.
  package var unasked: [String] {
    let asked = asked.all
    func unasked(_ object: JSONObject, _ prefix: String) -> [String] {
      object.members.flatMap { key, value -> [String] in
        let name = prefix + key
        guard !value.isNull else { return [] }
        guard asked.contains(name) else { return [name] }
        guard let nested = value.object, asked.contains(where: { DottedName($0).begins(with: name) }) else { return [] }
        return unasked(nested, name + ".")
      }
    }
    return unasked(object, prefix).map { String($0.dropFirst(prefix.count)) }
  }

  /// The value of `key`: null counts as one here.
  private func value(_ key: String) -> JSONValue? {
    guard let own = object[key], !own.isNull || inherited[key] == nil else { return inherited[key] }
    return own
  }

  /// What `key` is called in the whole document.
  private func name(_ key: String) -> String {
    inherited[key] != nil && (object[key]?.isNull ?? true) ? key : prefix + key
  }

  package func error(_ keys: ConfigKeys, _ problem: CheckpointError.SettingProblem) -> CheckpointError {
    .setting(path: path, key: keys.names.map { name($0) }.joined(separator: " or "), problem)
  }

  /// Whether one of `keys` is present and not null.
  package func has(_ keys: ConfigKeys) -> Bool { keys.names.contains { value($0).map { !$0.isNull } ?? false } }

  /// Counts a setting as asked for whose value makes no difference.
  package func ignore(_ key: String) { asked.insert(prefix + key) }

  // MARK: Required settings

  /// An integer within `range`; throws where it is missing, too.
  package func int(_ keys: ConfigKeys, in range: ClosedRange<Int>) throws(CheckpointError) -> Int {
    try required(keys, try optionalInt(keys, in: range))
  }

  /// A finite number within `range`, written as an integer or not.
  package func double(_ keys: ConfigKeys, in range: ClosedRange<Double>) throws(CheckpointError) -> Double {
    try required(keys, try optionalDouble(keys, in: range))
  }

  package func bool(_ keys: ConfigKeys) throws(CheckpointError) -> Bool { try required(keys, try optionalBool(keys)) }

  package func string(_ keys: ConfigKeys) throws(CheckpointError) -> String {
    try required(keys, try optionalString(keys))
  }

  package func string(_ keys: ConfigKeys, oneOf allowed: [String]) throws(CheckpointError) -> String {
    try required(keys, try optionalString(keys, oneOf: allowed))
  }

  /// An array of at most `maxCount` integers, each within `range`, or a single one, which counts as an array of one.
  package func ints(_ keys: ConfigKeys, in range: ClosedRange<Int>, maxCount: Int) throws(CheckpointError) -> [Int] {
    try required(keys, try optionalInts(keys, in: range, maxCount: maxCount))
  }

  /// A list of at most `maxCount` texts; throws where it is missing, longer, or of anything else.
  package func strings(_ keys: ConfigKeys, maxCount: Int) throws(CheckpointError) -> [String] {
    try required(keys, try optionalStrings(keys, maxCount: maxCount))
  }

  /// The settings of a nested object.
  package func nested(_ keys: ConfigKeys) throws(CheckpointError) -> ConfigReader {
    try required(keys, try optionalNested(keys))
  }

  // MARK: Settings that may be missing

  /// An integer within `range`; nil where the key is missing or null.
  package func optionalInt(_ keys: ConfigKeys, in range: ClosedRange<Int>) throws(CheckpointError) -> Int? {
    try agreed(keys) { (key, value) throws(CheckpointError) in try self.int(value, key, in: range) }
  }

  /// A finite number within `range`; nil where the key is missing or null.
  package func optionalDouble(_ keys: ConfigKeys, in range: ClosedRange<Double>) throws(CheckpointError) -> Double? {
    try agreed(keys) { (key, value) throws(CheckpointError) in
      guard let number = value.number else { throw wrongKind(key, "a number", value) }
      guard number.double.isFinite, range.contains(number.double) else {
        throw outOfRange(key, number, range.lowerBound, range.upperBound)
      }
      return number.double
    }
  }

  package func optionalBool(_ keys: ConfigKeys) throws(CheckpointError) -> Bool? {
    try agreed(keys) { (key, value) throws(CheckpointError) in
      guard let bool = value.bool else { throw wrongKind(key, "a boolean", value) }
      return bool
    }
  }

  package func optionalString(_ keys: ConfigKeys) throws(CheckpointError) -> String? {
    try agreed(keys) { (key, value) throws(CheckpointError) in try self.exactString(value, key) }?.string
  }

  package func optionalString(_ keys: ConfigKeys, oneOf allowed: [String]) throws(CheckpointError) -> String? {
    guard let text = try optionalString(keys) else { return nil }
    guard allowed.contains(where: { ExactString($0) == ExactString(text) }) else {
      throw error(keys, .notOneOf(found: text, allowed: allowed))
    }
    return text
  }

  /// As `ints`, nil where the key is missing or null.
  package func optionalInts(
    _ keys: ConfigKeys, in range: ClosedRange<Int>, maxCount: Int
  ) throws(CheckpointError) -> [Int]? {
    try agreed(keys) { (key, value) throws(CheckpointError) in
      guard let array = value.array else { return [try self.int(value, key, in: range)] }
      guard array.count <= maxCount else { throw error(ConfigKeys(key), .tooManyElements(limit: maxCount)) }
      var ints: [Int] = []
      for element in array { ints.append(try self.int(element, key, in: range)) }
      return ints
    }
  }

  /// As `strings`, nil where the key is missing or null.
  package func optionalStrings(_ keys: ConfigKeys, maxCount: Int) throws(CheckpointError) -> [String]? {
    try agreed(keys) { (key, value) throws(CheckpointError) -> [ExactString] in
      guard let array = value.array else { throw wrongKind(key, "an array of strings", value) }
      guard array.count <= maxCount else { throw error(ConfigKeys(key), .tooManyElements(limit: maxCount)) }
      var strings: [ExactString] = []
      for element in array { strings.append(try self.exactString(element, key)) }
      return strings
    }?.map(\.string)
  }

  package func optionalNested(_ keys: ConfigKeys) throws(CheckpointError) -> ConfigReader? {
    var found: (key: String, value: JSONValue)?
    for key in keys.names {
      asked.insert(prefix + key)
      asked.insert(name(key))
      if found == nil, let value = value(key), !value.isNull { found = (key, value) }
    }
    guard let (key, value) = found ?? defaultValue(keys) else { return nil }
    guard let nested = value.object else { throw wrongKind(key, "an object", value) }
    return ConfigReader(nested, path: path, prefix: "\(name(key)).", defaults: ConfigDefaults(), asked: asked)
  }

  // MARK: One value

  private func required<Value>(_ keys: ConfigKeys, _ value: Value?) throws(CheckpointError) -> Value {
    guard let value else { throw error(keys, .missing) }
    return value
  }

  /// The value under the first key present; throws when another key present says otherwise.
  private func agreed<Value: Equatable>(
    _ keys: ConfigKeys, _ convert: (String, JSONValue) throws(CheckpointError) -> Value
  ) throws(CheckpointError) -> Value? {
    var found: (key: String, value: Value)?
    for key in keys.names {
      asked.insert(prefix + key)
      asked.insert(name(key))
      guard let json = value(key), !json.isNull else { continue }
      let value = try convert(key, json)
      if let found, found.value != value { throw error(ConfigKeys(found.key), .disagrees(with: name(key))) }
      if found == nil { found = (key, value) }
    }
    if let found { return found.value }
    return try defaultValue(keys).map { (key, json) throws(CheckpointError) in try convert(key, json) }
  }

  /// What stands in for keys none of which has a value; nil where there is nothing, or where null is a value of its
  /// own.
  private func defaultValue(_ keys: ConfigKeys) -> (key: String, value: JSONValue)? {
    guard !keys.names.contains(where: { value($0) != nil && defaults.nullable.contains($0) }) else { return nil }
    for key in keys.names { if let value = defaults.values[key] { return (key, value) } }
    return nil
  }

  private func int(_ value: JSONValue, _ key: String, in range: ClosedRange<Int>) throws(CheckpointError) -> Int {
    guard let number = value.number else { throw wrongKind(key, "an integer", value) }
    guard let int = number.exactInt else { throw error(ConfigKeys(key), .notAnExactInteger(number.text)) }
    guard range.contains(int) else { throw outOfRange(key, number, range.lowerBound, range.upperBound) }
    return int
  }

  private func exactString(_ value: JSONValue, _ key: String) throws(CheckpointError) -> ExactString {
    guard let text = value.string else { throw wrongKind(key, "a string", value) }
    return ExactString(text)
  }

  private func wrongKind(_ key: String, _ expected: String, _ value: JSONValue) -> CheckpointError {
    error(ConfigKeys(key), .wrongKind(expected: expected, found: value.kind))
  }

  private func outOfRange(
    _ key: String, _ number: JSONNumber, _ lower: some Any, _ upper: some Any
  ) -> CheckpointError {
    error(ConfigKeys(key), .outOfRange(found: number.text, lower: "\(lower)", upper: "\(upper)"))
  }
}
