import Glibc
import JSON

/// Files and lists a user names on the command line.
enum InputText {
  static let byteLimit = 1 << 30

  /// A file's text; `-` is standard input.
  static func read(_ path: String) throws -> String {
    func failure() -> PromptError { .unreadable(path: path, reason: String(cString: strerror(errno))) }
    let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure() }
    defer { if descriptor != STDIN_FILENO { close(descriptor) } }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count == 0 { break }
      if count < 0 {
        if errno == EINTR { continue }
        throw failure()
      }
      bytes.append(contentsOf: chunk[..<count])
      guard bytes.count <= byteLimit else {
        throw PromptError.unreadable(path: path, reason: "it is larger than \(byteLimit) bytes")
      }
    }
    guard let text = String(validating: bytes, as: UTF8.self) else { throw PromptError.notUTF8(path: path) }
    return text
  }

  /// The lines that are not empty, with their numbers.
  static func lines(_ path: String) throws -> [(number: Int, text: String)] {
    try read(path).split(separator: "\n", omittingEmptySubsequences: false).enumerated().compactMap { index, line in
      var text = String(line)
      if text.hasSuffix("\r") { text.removeLast() }
      return text.isEmpty ? nil : (index + 1, text)
    }
  }

  /// The JSON object on each line.
  static func objects(_ path: String) throws -> [(number: Int, object: JSONObject)] {
    let lines = try lines(path)
    guard !lines.isEmpty else { throw PromptError.noPrompts(path: path) }
    return try lines.map { number, text in
      guard let object = try parse(text, path: path, line: number).object else {
        throw PromptError.malformedLine(path: path, line: number, reason: "it is not a JSON object")
      }
      return (number, object)
    }
  }

  static func parse(_ text: String, path: String, line: Int) throws -> JSONValue {
    do { return try JSONValue(parsing: text) } catch {
      throw PromptError.malformedLine(path: path, line: line, reason: "\(error)")
    }
  }

  /// Ids written as `1,2,3`, spaces allowed.
  static func ids(_ text: String) throws -> [Int] {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.filter { $0 != " " } }
    if parts == [""] { return [] }
    return try parts.map {
      guard let id = Int($0) else { throw PromptError.malformedIDs(text.count > 60 ? text.prefix(60) + "…" : text) }
      return id
    }
  }

  /// Ids of a JSON array.
  static func ids(_ value: JSONValue, path: String, line: Int) throws -> [Int] {
    guard let array = value.array else {
      throw PromptError.malformedLine(path: path, line: line, reason: "ids must be an array of integers, not \(value.kind)")
    }
    return try array.map {
      guard let id = $0.exactInt else {
        throw PromptError.malformedLine(path: path, line: line, reason: "ids must be integers")
      }
      return id
    }
  }
}
