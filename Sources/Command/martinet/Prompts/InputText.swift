import Glibc
import JSON

/// Files and lists a user names on the command line.
enum InputText {
  static let byteLimit = 1 << 30

  /// A file's text, without a byte-order mark; `-` is standard input. Pipes and devices are read to their end.
  static func read(_ path: String) throws -> String {
    let bytes = try path == "-" ? readAll(STDIN_FILENO, path: "standard input") : readFile(path)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw PromptError.notUTF8(path: path, byte: validPrefix(of: bytes))
    }
    return text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
  }

  /// Of a key's file.
  static func firstLine(_ path: String) throws -> String { String(try read(path).prefix { !$0.isNewline }) }

  private static func readFile(_ path: String) throws -> [UInt8] {
    let descriptor = path.utf8.contains(0) ? -1 : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw PromptError.unreadable(path: path, reason: String(cString: strerror(errno))) }
    defer { close(descriptor) }
    return try readAll(descriptor, path: path)
  }

  private static func readAll(_ descriptor: Int32, path: String) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw PromptError.unreadable(path: path, reason: String(cString: strerror(errno))) }
      guard count > 0 else { return bytes }
      bytes += buffer[..<count]
      guard bytes.count <= byteLimit else { throw PromptError.tooLarge(path: path, limit: byteLimit) }
    }
  }

  /// How many bytes are UTF-8, up to the first that is not.
  private static func validPrefix(of bytes: [UInt8]) -> Int {
    var decoder = UTF8.ForwardParser()
    var rest = bytes.makeIterator()
    var count = 0
    while case .valid(let scalar) = decoder.parseScalar(from: &rest) { count += scalar.count }
    return count
  }

  /// The lines that are not blank, with their numbers.
  static func lines(_ path: String) throws -> [(number: Int, text: String)] {
    // In bytes: to Swift, "\r\n" is one character that is no line feed.
    try read(path).utf8.split(separator: 10, omittingEmptySubsequences: false).enumerated().compactMap { index, line in
      let line = line.last == 13 ? line.dropLast() : line
      return line.allSatisfy { $0 == 32 || $0 == 9 } ? nil : (index + 1, String(Substring(line)))
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
    if text.allSatisfy({ $0 == " " }) { return [] }
    return try text.split(separator: ",", omittingEmptySubsequences: false).map {
      guard let id = Int($0.filter { $0 != " " }) else {
        throw PromptError.malformedIDs(text.count > 60 ? text.prefix(60) + "…" : text)
      }
      return id
    }
  }

  /// Ids of a JSON array.
  static func ids(_ value: JSONValue, path: String, line: Int) throws -> [Int] {
    guard let array = value.array else {
      throw PromptError.malformedLine(
        path: path, line: line, reason: "ids must be an array of integers, not \(value.kind)")
    }
    return try array.map {
      guard let id = $0.exactInt else {
        throw PromptError.malformedLine(path: path, line: line, reason: "ids must be integers")
      }
      return id
    }
  }
}
