/// The values a call passes.
struct Arguments {
  var positional: [Value] = []
  var keyword: [(name: String, value: Value)] = []

  init(_ positional: [Value] = []) { self.positional = positional }

  /// The values for the parameters `names` of `function`, nil where none is given; refuses any other argument.
  func bind(_ function: String, _ names: [String], _ context: Rendering) throws(ChatTemplateError) -> [Value?] {
    guard positional.count <= names.count else {
      throw context.refused("\(function) takes at most \(names.count) arguments, not \(positional.count)")
    }
    var bound: [Value?] = positional
    bound += Array(repeating: nil, count: names.count - positional.count)
    for (name, value) in keyword {
      guard let i = names.firstIndex(where: { $0.hasSameScalars(as: name) }) else {
        throw context.refused("\(function) has no argument '\(name)'")
      }
      guard bound[i] == nil else { throw context.refused("\(function) is given '\(name)' twice") }
      bound[i] = value
    }
    return bound
  }

  /// As `bind`, for parameters that a call by position only may fill.
  func bindPositional(_ function: String, _ counts: ClosedRange<Int>, _ context: Rendering)
    throws(ChatTemplateError) -> [Value?]
  {
    guard keyword.isEmpty else { throw context.refused("\(function) takes no keyword arguments") }
    guard counts.contains(positional.count) else {
      throw context.refused("\(function) takes \(counts.lowerBound) to \(counts.upperBound) arguments")
    }
    return positional + Array(repeating: nil, count: counts.upperBound - positional.count)
  }
}

extension Rendering {
  /// The text of an argument that must be a string.
  func text(_ value: Value?, _ role: String) throws(ChatTemplateError) -> String {
    guard let value else { throw refused("\(role) is missing") }
    guard let text = value.text else { throw refusal(of: value, "\(role) must be str, not \(value.typeName)") }
    return text
  }

  /// The integer of an argument that must be one.
  func integer(_ value: Value, _ role: String) throws(ChatTemplateError) -> Int {
    guard let integer = value.integer else {
      throw refusal(of: value, "\(role) must be an integer, not \(value.typeName)")
    }
    return integer
  }
}
