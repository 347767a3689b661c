/// Texts that a Python program gives names to, at the beginning of a line: strings, alone or several one after another
/// in brackets, and dictionaries from strings to such.
///
/// A program is read for them, never run. What is no plain string (bytes, formatted strings, names, calls) is no text.
struct PythonTexts {
  private let source: [Unicode.Scalar]

  /// Of a program's bytes; none where they are not UTF-8.
  init(_ bytes: [UInt8]) {
    source = String(validating: bytes, as: UTF8.self).map { Array($0.unicodeScalars) } ?? []
  }

  /// A text by its name; nil for one that is not there, or no text.
  func text(_ name: String) -> String? {
    guard var scanner = value(of: name) else { return nil }
    return scanner.text()
  }

  /// A dictionary by its name; nil for one that is not there, or has other things in it.
  func table(_ name: String) -> [String: String]? {
    guard var scanner = value(of: name) else { return nil }
    return scanner.table()
  }

  /// What stands before and after the place `{name}` in a text that Python's `format` is to fill in, with the other
  /// places filled in by `values`; nil where it has other places, or not this one once.
  static func parts(of text: String, at name: String, _ values: [String: String]) -> (before: String, after: String)? {
    let scalars = Array(text.unicodeScalars)
    var done: [String] = []
    var out = String.UnicodeScalarView()
    var i = 0
    while i < scalars.count {
      let scalar = scalars[i]
      guard scalar == "{" || scalar == "}" else {
        out.append(scalar)
        i += 1
        continue
      }
      if i + 1 < scalars.count, scalars[i + 1] == scalar {
        out.append(scalar)
        i += 2
        continue
      }
      guard scalar == "{", let end = scalars[i...].firstIndex(of: "}") else { return nil }
      var place = String.UnicodeScalarView()
      place.append(contentsOf: scalars[(i + 1)..<end])
      if String(place) == name {
        done.append(String(out))
        out = String.UnicodeScalarView()
      } else {
        guard let value = values[String(place)] else { return nil }
        out.append(contentsOf: value.unicodeScalars)
      }
      i = end + 1
    }
    return done.count == 1 ? (done[0], String(out)) : nil
  }

  /// Stands at what is assigned to a name, whether its type is told or not.
  private func value(of name: String) -> PythonScanner? {
    let wanted = Array(name.unicodeScalars)
    var i = 0
    while i + wanted.count < source.count {
      if i == 0 || source[i - 1] == "\n", source[i..<(i + wanted.count)].elementsEqual(wanted) {
        var end = i + wanted.count
        let next = source[end]
        if next == " " || next == "=" || next == ":" {
          while end < source.count, source[end] != "=", source[end] != "\n" { end += 1 }
          if end < source.count, source[end] == "=" { return PythonScanner(source, at: end + 1) }
        }
      }
      i += 1
    }
    return nil
  }
}

/// Reads strings of a Python program.
private struct PythonScanner {
  private let source: [Unicode.Scalar]
  private var i: Int
  /// Brackets in brackets that are opened; programs have one.
  private static let depthLimit = 16

  init(_ source: [Unicode.Scalar], at start: Int) { (self.source, i) = (source, start) }

  private var current: Unicode.Scalar? { i < source.count ? source[i] : nil }

  /// Passes over blanks and comments; `lines`: over ends of lines, too.
  private mutating func skip(lines: Bool) {
    while let scalar = current {
      if scalar == "#" {
        while let other = current, other != "\n" { i += 1 }
      } else if scalar == " " || scalar == "\t" || scalar == "\r" || lines && scalar == "\n" {
        i += 1
      } else {
        return
      }
    }
  }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard current == scalar else { return false }
    i += 1
    return true
  }

  /// Strings one after another, in brackets over several lines.
  mutating func text(inBrackets: Bool = false, depth: Int = 0) -> String? {
    skip(lines: inBrackets)
    if depth < Self.depthLimit, take("(") {
      let inner = text(inBrackets: true, depth: depth + 1)
      return take(")") ? inner : nil
    }
    guard var all = string() else { return nil }
    skip(lines: inBrackets)
    while let piece = string() {
      all += piece
      skip(lines: inBrackets)
    }
    return all
  }

  mutating func table() -> [String: String]? {
    skip(lines: false)
    guard take("{") else { return nil }
    var found: [String: String] = [:]
    while true {
      skip(lines: true)
      if take("}") { return found }
      guard let key = string() else { return nil }
      skip(lines: true)
      guard take(":"), let value = text(inBrackets: true) else { return nil }
      found[key] = value
      skip(lines: true)
      if take("}") { return found }
      guard take(",") else { return nil }
    }
  }

  /// One string in single, double or triple quotes; nil, and nothing passed over, where there is none.
  private mutating func string() -> String? {
    guard let quote = current, quote == "'" || quote == "\"" else { return nil }
    let start = i
    let isTriple = i + 2 < source.count && source[i + 1] == quote && source[i + 2] == quote
    i += isTriple ? 3 : 1
    var out = String.UnicodeScalarView()
    while let scalar = current {
      if scalar == quote, !isTriple || i + 2 < source.count && source[i + 1] == quote && source[i + 2] == quote {
        i += isTriple ? 3 : 1
        return String(out)
      }
      guard scalar != "\n" || isTriple else { break }
      i += 1
      if scalar == "\\" {
        guard escape(into: &out) else { break }
      } else {
        out.append(scalar)
      }
    }
    i = start
    return nil
  }

  /// Reads what stands behind a backslash; false for what is not known.
  private mutating func escape(into out: inout String.UnicodeScalarView) -> Bool {
    guard let scalar = current else { return false }
    i += 1
    switch scalar {
    case "\n": return true
    case "\\", "'", "\"": out.append(scalar)
    case "n": out.append("\n")
    case "r": out.append("\r")
    case "t": out.append("\t")
    case "x": return code(digits: 2, into: &out)
    case "u": return code(digits: 4, into: &out)
    case "U": return code(digits: 8, into: &out)
    default: return false
    }
    return true
  }

  private mutating func code(digits: Int, into out: inout String.UnicodeScalarView) -> Bool {
    guard i + digits <= source.count else { return false }
    var text = String.UnicodeScalarView()
    text.append(contentsOf: source[i..<(i + digits)])
    guard let value = UInt32(String(text), radix: 16), let scalar = Unicode.Scalar(value) else { return false }
    out.append(scalar)
    i += digits
    return true
  }
}
