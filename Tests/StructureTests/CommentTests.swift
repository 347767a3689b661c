import Testing

/// What takes numbers by pointers says in its comment how many there are.
@Suite struct CommentTests {
  private let tree = SourceTree.package

  @Test func kernelsSayTheShapesOfWhatTheyTake() throws {
    let files = try ["Sources/Base/Kernels", "Sources/Learning/Gradients"].flatMap {
      try tree.files(under: $0, extensions: ["swift"])
    }
    #expect(!files.isEmpty)
    for file in files {
      for (name, comment) in Self.functions(of: file.text) {
        #expect(comment.contains("["), "\(file.path): \(name) takes a pointer to numbers, and its comment has no shape")
      }
    }
  }

  @Test func everyFunctionOfTheKernelsHeadersHasAComment() throws {
    let files = try ["Sources/Base/CKernels/include", "Sources/Learning/CGradients/include"].flatMap {
      try tree.files(under: $0, extensions: ["h"])
    }
    #expect(!files.isEmpty)
    for file in files {
      // Declarations without a blank line between them share one.
      for part in file.text.split(separator: "\n\n") {
        guard let name = part.firstMatch(of: /(?m)^[a-z].*\b(c[kg]_[a-z0-9_]+)\(/)?.1 else { continue }
        let comment = part.firstRange(of: "//")?.lowerBound
        #expect(comment.map { $0 < name.startIndex } ?? false, "\(file.path): \(name) has no comment")
      }
    }
  }

  @Test func functionsAreFoundWithTheirComments() {
    let found = Self.functions(
      of: """
        /// One.
        package func a(_ x: UnsafePointer<Float>) {}
          /// Two: `[n]`,
          /// more.
          @inlinable package static func b(
            _ x: Int, to y: UnsafeMutablePointer<Float>
          ) {
        package func c(_ x: Int) {}
        """)
    #expect(found.map(\.name) == ["a", "b"] && found.map(\.comment) == [" One.", " Two: `[n]`, more."])
  }

  /// Package functions and initialisers with a parameter that points to floats, and the comments before them.
  private static func functions(of text: String) -> [(name: String, comment: String)] {
    var found: [(name: String, comment: String)] = []
    var comment = ""
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { $0.drop { $0 == " " } }
    for (i, line) in lines.enumerated() {
      if line.hasPrefix("///") {
        comment += line.dropFirst(3)
        continue
      }
      defer { comment = "" }
      guard let name = line.firstMatch(of: /^(?:@\w+ )?package (?:static )?(?:func )?(\w+)\(/)?.1 else { continue }
      let signature = lines[i...].prefix { !$0.hasSuffix("{") && !$0.contains(" { ") }.joined()
      let whole = signature + (lines[i...].first { $0.hasSuffix("{") || $0.contains(" { ") } ?? "")
      let takesFloats = whole.firstMatch(of: /\(.*Unsafe(?:Mutable)?Pointer<Float>/) != nil
      if takesFloats { found.append((String(name), comment)) }
    }
    return found
  }
}
