import Testing

/// What takes numbers by pointers says in its comment how many there are.
@Suite struct CommentTests {
  private let tree = SourceTree.package

  /// Package functions of the rooms that compute with pointers.
  private func kernels() throws -> [(path: String, function: Function)] {
    let files = try ["Sources/Base/Kernels", "Sources/Learning/Gradients"].flatMap {
      try tree.files(under: $0, extensions: ["swift"])
    }
    return files.flatMap { file in Self.functions(of: file.text).map { (file.path, $0) } }
  }

  @Test func kernelsSayTheShapesOfWhatTheyTake() throws {
    let kernels = try kernels().filter { $0.function.takesFloats }
    #expect(kernels.count > 30)
    for (path, function) in kernels {
      #expect(
        function.comment.contains("["),
        "\(path): \(function.name) takes a pointer to numbers, and its comment has no shape")
    }
  }

  /// What is "the same" as another function takes what that takes; a structure's properties say what they are.
  @Test func kernelsSayWhatEachOfTheirNumbersIs() throws {
    for (path, function) in try kernels()
    where !function.comment.hasPrefix(" The same") && !function.comment.contains("as the properties say") {
      for names in function.numbers {
        let isNamed = try names.contains {
          function.comment.contains(try Regex("\\b\($0)\\b").wordBoundaryKind(.simple))
        }
        #expect(isNamed, "\(path): \(function.name) takes \(names), which its comment does not name")
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
            _ x: Int, to y: UnsafeMutablePointer<Float>, _ each: (_ row: Int) -> Void, name: String
          ) {
        package func c(by x: Int) -> Float { d(e: x) }
        """)
    #expect(found.map(\.name) == ["a", "b", "c"] && found.map(\.comment) == [" One.", " Two: `[n]`, more.", ""])
    #expect(found.map(\.takesFloats) == [true, true, false])
    #expect(found.map(\.numbers) == [[["x"]], [["x"], ["to", "y"]], [["by", "x"]]])
  }

  private struct Function {
    var name: String
    var comment: String
    /// Up to the body.
    var signature: String

    var takesFloats: Bool { signature.firstMatch(of: /\(.*Unsafe(?:Mutable)?Pointer<Float>/) != nil }

    /// The names, outer and inner, of each parameter that is a number or leads to some.
    var numbers: [[String]] {
      let parameters = signature.replacing(/: (?:@\w+ )*\([^()]*\) -> \w+/, with: "")
      let number = /(\w+ )?(\w+): (?:\[+)?(?:U?Int\d*|Float|Double|Unsafe\w+|MatrixView|Range|StridedMatrix)\b/
      return parameters.matches(of: number).map { match in
        let outer = match.1.map { String($0.dropLast()) } ?? "_"
        return (outer == "_" ? [] : [outer]) + [String(match.2)]
      }
    }
  }

  /// Package functions and initialisers, and the comments before them.
  private static func functions(of text: String) -> [Function] {
    var found: [Function] = []
    var comment = ""
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { $0.drop { $0 == " " } }
    for (i, line) in lines.enumerated() {
      if line.hasPrefix("///") {
        comment += line.dropFirst(3)
        continue
      }
      defer { comment = "" }
      guard let name = line.firstMatch(of: /^(?:@\w+ )?package (?:static )?(?:func )?(\w+)\(/)?.1 else { continue }
      var signature = ""
      for line in lines[i...] {
        let end = line.firstRange(of: " {")?.lowerBound ?? (line.hasPrefix("{") ? line.startIndex : nil)
        signature += line[..<(end ?? line.endIndex)] + " "
        if end != nil { break }
      }
      found.append(Function(name: String(name), comment: comment, signature: signature))
    }
    return found
  }
}
