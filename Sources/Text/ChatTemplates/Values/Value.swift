import JSON

/// A value of the template language, with Python's semantics.
enum Value {
  case undefined(Undefined)
  case none
  case bool(Bool)
  case integer(Int)
  /// An integer from outside that 64 bits cannot hold: it prints and compares, but does not calculate.
  case bigInteger(String)
  case float(Double)
  case string(String)
  /// A string marked by `safe` or `escape`: adding a plain string to it escapes that string.
  case markup(String)
  case list(ListStorage)
  case tuple(ListStorage)
  case dict(DictStorage)
  case view(DictView)
  case range(RangeStorage)
  case iterator(IteratorStorage)
  case namespace(NamespaceStorage)
  case loop(LoopState)
  case macro(Macro)
  case function(GlobalFunction)
  case method(BoundMethod)

  /// The text of a string, marked or not.
  var text: String? {
    switch self {
    case .string(let text), .markup(let text): text
    default: nil
    }
  }

  var isUndefined: Bool { if case .undefined = self { true } else { false } }

  /// An integer or a boolean as one: Python's booleans are integers.
  var integer: Int? {
    switch self {
    case .integer(let value): value
    case .bool(let value): value ? 1 : 0
    default: nil
    }
  }

  /// Any number as a float.
  var number: Double? {
    if case .float(let value) = self { value } else { integer.map(Double.init) }
  }

  /// `bool(value)`.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let value): value
    case .integer(let value): value != 0
    case .float(let value): value != 0
    case .string(let text), .markup(let text): !text.utf8.isEmpty
    case .list(let storage), .tuple(let storage): !storage.items.isEmpty
    case .dict(let storage): !storage.keys.isEmpty
    case .view(let view): !view.dict.keys.isEmpty
    case .range(let range): range.count > 0
    case .bigInteger, .iterator, .namespace, .loop, .macro, .function, .method: true
    }
  }

  /// Levels of containers, so that no chain of values grows deeper than its release or printing can recurse.
  var depth: Int {
    switch self {
    case .list(let storage), .tuple(let storage): storage.depth
    case .dict(let storage): storage.depth
    case .view(let view): view.dict.depth + 1
    case .iterator(let iterator): iterator.depth
    case .loop(let loop): loop.source.depth + 1
    case .method(let method): method.receiver.depth + 1
    default: 0
    }
  }

  /// Python's name of the value's type.
  var typeName: String {
    switch self {
    case .undefined: "Undefined"
    case .none: "NoneType"
    case .bool: "bool"
    case .integer, .bigInteger: "int"
    case .float: "float"
    case .string: "str"
    case .markup: "Markup"
    case .list: "list"
    case .tuple: "tuple"
    case .dict: "dict"
    case .view(let view): view.kind.rawValue
    case .range: "range"
    case .iterator: "generator"
    case .namespace: "Namespace"
    case .loop: "LoopContext"
    case .macro: "Macro"
    case .function: "function"
    case .method: "builtin_function_or_method"
    }
  }
}

/// Why there is no value; using it for anything but printing, testing or iterating reports that.
struct Undefined {
  enum Reason {
    case name(String)
    case attribute(String, of: String)
    case message(String)
  }
  let reason: Reason

  var message: String {
    switch reason {
    case .name(let name): "'\(name)' is undefined"
    case .attribute(let name, let owner): "'\(owner)' has no attribute '\(name)'"
    case .message(let message): message
    }
  }
}

extension Value {
  static func undefined(name: String) -> Value { .undefined(Undefined(reason: .name(name))) }
  static func undefined(message: String) -> Value { .undefined(Undefined(reason: .message(message))) }
  static func undefined(attribute: String, of owner: Value) -> Value {
    let kind = if case .none = owner { "None" } else { "\(owner.typeName) object" }
    return .undefined(Undefined(reason: .attribute(attribute, of: kind)))
  }

  /// The value a literal stands for.
  init(_ literal: Literal) {
    switch literal {
    case .none: self = .none
    case .bool(let value): self = .bool(value)
    case .integer(let value): self = .integer(value)
    case .float(let value): self = .float(value)
    case .string(let value): self = .string(value)
    }
  }

  /// The value Python's `json` module would read from `number`.
  init(_ number: JSONNumber) {
    if let value = number.exactInt {
      self = .integer(value)
    } else if number.text == "-0" {
      self = .integer(0)
    } else if number.text.utf8.allSatisfy({ $0 == UInt8(ascii: "-") || ($0 >= 48 && $0 <= 57) }) {
      self = .bigInteger(number.text)
    } else {
      self = .float(number.double)
    }
  }
}
