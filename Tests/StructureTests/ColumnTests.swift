import Testing

/// A line has 120 columns at most: the formatters break code, but neither comments nor what strings are joined of.
@Suite struct ColumnTests {
  private static let most = 120
  /// A literal of so many characters may make its line too long: a reply of a model, a schema or a shell's program
  /// cannot go on in the next line without becoming another text, and two halves of it cannot be searched for.
  private static let longLiteral = 100

  @Test(arguments: ["Sources", "Tests", "benchmarks"])
  func linesAreNoWiderThan120ColumnsButForLongLiterals(folder: String) throws {
    let tree = SourceTree.package
    let files = try tree.files(under: folder, extensions: ["swift", "c", "h", "inc", "js", "css", "html"])
    #expect(!files.isEmpty)
    for file in files {
      for line in Self.wideLines(of: file.text, isScript: file.path.hasSuffix(".js")) {
        Issue.record("\(file.path):\(line) has more than \(Self.most) columns")
      }
    }
  }

  @Test func wideLinesAreFound() {
    let word = String(repeating: "x", count: 99)
    let quotes = String(repeating: "\"", count: 3)
    let text = """
      // \(word) \(word)
      let a = ["\(word)x", "b", "c", "d", "e", "f", "g"]
      let b = ["\(word.dropLast(2))", "b", "c", "d", "e", "f", "g"]
      let c = \(quotes)
        \(word) \(word)
        \(quotes)
      return #"\(word) "quoted" \(word)"# + word
      /\(word) {0,9}\(word)/u
      """
    #expect(Self.wideLines(of: text, isScript: false) == [1, 3, 8])
    #expect(Self.wideLines(of: text, isScript: true) == [1, 3])
  }

  /// Numbers, from 1, of lines that are too wide and need not be.
  private static func wideLines(of text: String, isScript: Bool) -> [Int] {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    // Bytes are no fewer than characters, and soon counted.
    guard lines.contains(where: { $0.utf8.count > most }) else { return [] }
    var found: [Int] = []
    var isInText = false
    for (i, line) in lines.enumerated() {
      if !isInText, line.count > most, !hasLongLiteral(line, isScript: isScript) { found.append(i + 1) }
      if !line.ranges(of: "\"\"\"").count.isMultiple(of: 2) { isInText.toggle() }
    }
    return found
  }

  /// A string, or in a script also a regular expression.
  private static func hasLongLiteral(_ line: Substring, isScript: Bool) -> Bool {
    let strings = line.matches(of: #/(?<fence>#+)".*?"\k<fence>|"(?:\\.|[^"\\])*"/#).map(\.output.0)
    let expressions = isScript ? line.matches(of: #/\/(?:\\.|[^\/\\])+\//#).map(\.output) : []
    return (strings + expressions).contains { $0.count >= longLiteral }
  }
}
