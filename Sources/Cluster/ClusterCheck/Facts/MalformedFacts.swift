import JSON

/// Why facts that another process told cannot be used: most often it runs another version.
package struct MalformedFacts: Error, Equatable, CustomStringConvertible {
  package let reason: String
  package var description: String { "its answer is not understood (\(reason)); does it run this version?" }
}

extension JSONValue {
  func text(_ key: String) throws(MalformedFacts) -> String {
    guard let text = self[key]?.string else { throw MalformedFacts(reason: "no text \"\(key)\"") }
    return text
  }

  func count(_ key: String) throws(MalformedFacts) -> Int {
    guard let count = self[key]?.exactInt, count >= 0 else { throw MalformedFacts(reason: "no count \"\(key)\"") }
    return count
  }

  func finite(_ key: String) throws(MalformedFacts) -> Double {
    guard let value = self[key]?.double, value.isFinite else { throw MalformedFacts(reason: "no number \"\(key)\"") }
    return value
  }

  func list<Element>(_ key: String, _ read: (JSONValue) throws(MalformedFacts) -> Element?) throws(MalformedFacts)
    -> [Element]
  {
    guard let values = self[key]?.array else { throw MalformedFacts(reason: "no list \"\(key)\"") }
    var elements: [Element] = []
    for value in values {
      guard let element = try read(value) else {
        throw MalformedFacts(reason: "an element of \"\(key)\" is of another kind")
      }
      elements.append(element)
    }
    return elements
  }
}
