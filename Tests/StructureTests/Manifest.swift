/// The targets of `Package.swift`, read from its text: SwiftPM cannot be asked while it runs the tests.
struct Manifest {
  struct Target {
    var name: String
    /// Targets of this package it may import.
    var dependencies: Set<String>
    /// Folder of its sources, relative to the package.
    var folder: String
    var isTest: Bool { folder.hasPrefix("Tests/") }
    /// The folder of `Sources` that its own lies in; nil for what is of the tests.
    var house: String? {
      let parts = folder.split(separator: "/")
      return parts.first == "Sources" && parts.count > 2 ? String(parts[1]) : nil
    }
  }

  private enum Token: Equatable {
    case word(String)
    case text(String)
    case mark(Character)
  }

  private static let makers: Set<String> = [
    "room", "sources", "library", "tests", "target", "executableTarget", "testTarget", "systemLibrary",
  ]

  /// In the order in which they are listed.
  let targets: [Target]

  init(parsing text: String) {
    let tokens = Self.tokens(text)
    var targets: [Target] = []
    for case (let i, .word(let maker)) in tokens.enumerated() where Self.makers.contains(maker) {
      if let target = Self.target(maker, arguments: tokens[(i + 1)...]) { targets.append(target) }
    }
    self.targets = targets
  }

  /// nil where the call has no literal name: the definitions of `room` and its like.
  private static func target(_ maker: String, arguments: ArraySlice<Token>) -> Target? {
    guard arguments.first == .mark("(") else { return nil }
    var depth = 0
    var label = ""
    var name: String?
    var path: String?
    var house: String?
    var dependencies: Set<String> = []
    var positions = 0
    scan: for (i, token) in zip(arguments.indices, arguments) {
      switch token {
      case .mark("("), .mark("["): depth += 1
      case .mark(")"), .mark("]"):
        depth -= 1
        if depth == 0 { break scan }
      case .mark(",") where depth == 1:
        label = ""
        positions += 1
      case .word(let word) where depth == 1 && arguments.dropFirst(i - arguments.startIndex + 1).first == .mark(":"):
        label = word
      case .text(let text) where depth == 1 && (label == "name" || label.isEmpty && positions == 0): name = text
      case .text(let text) where depth == 1 && label == "path": path = text
      case .text(let text) where depth == 1 && label == "in": house = text
      case .text(let text) where depth == 2 && (label == "dependencies" || label.isEmpty && positions > 0):
        dependencies.insert(text)
      default: break
      }
    }
    guard let name else { return nil }
    let top = house.map { "Sources/\($0)" } ?? (maker == "tests" || maker == "testTarget" ? "Tests" : "Sources")
    return Target(name: name, dependencies: dependencies, folder: path ?? "\(top)/\(name)")
  }

  private static func tokens(_ text: String) -> [Token] {
    var tokens: [Token] = []
    for line in text.split(whereSeparator: \.isNewline) {
      var rest = line.drop(while: \.isWhitespace)
      while let first = rest.first, !rest.hasPrefix("//") {
        if first == "\"" {
          let text = rest.dropFirst().prefix { $0 != "\"" }
          tokens.append(.text(String(text)))
          rest = rest[text.endIndex...].dropFirst()
        } else if first.isLetter || first == "_" {
          let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
          tokens.append(.word(String(word)))
          rest = rest[word.endIndex...]
        } else {
          if !first.isWhitespace { tokens.append(.mark(first)) }
          rest = rest.dropFirst()
        }
      }
    }
    return tokens
  }
}
