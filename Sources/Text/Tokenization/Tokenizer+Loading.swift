import Foundation
import JSON

extension Tokenizer {
  static let tokenizerByteLimit = 128 << 20
  static let configByteLimit = 16 << 20
  static let templateByteLimit = 4 << 20

  /// Reads `tokenizer.json` in `folder` and, when they are there, `tokenizer_config.json`, `chat_template.jinja` and
  /// `additional_chat_templates/tool_use.jinja`.
  package convenience init(folder: String) throws(TokenizerError) {
    let path = folder.hasSuffix("/") || folder.isEmpty ? folder : folder + "/"
    let tokenizer = try Self.readJSON(path + "tokenizer.json", limit: Self.tokenizerByteLimit)
    let config = try Self.readIfPresent(path + "tokenizer_config.json") { (path) throws(TokenizerError) in
      try Self.readJSON(path, limit: Self.configByteLimit)
    }
    let template = try Self.readIfPresent(path + "chat_template.jinja", Self.template)
    let toolTemplate = try Self.readIfPresent(path + "additional_chat_templates/tool_use.jinja", Self.template)
    try self.init(json: tokenizer, config: config, chatTemplate: template, toolTemplate: toolTemplate)
  }

  /// The text of a file with a chat template.
  package static func template(_ path: String) throws(TokenizerError) -> String {
    let bytes = try read(path, limit: templateByteLimit)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .unreadableFile(path: path, reason: "it is not UTF-8")
    }
    return text
  }

  private static func readIfPresent<Content>(
    _ path: String, _ read: (String) throws(TokenizerError) -> Content
  ) throws(TokenizerError) -> Content? {
    access(path, F_OK) == 0 ? try read(path) : nil
  }

  private static func readJSON(_ path: String, limit: Int) throws(TokenizerError) -> JSONValue {
    let bytes = try read(path, limit: limit)
    do throws(JSONError) {
      return try JSONValue(parsing: bytes, limits: JSONLimits(byteCount: limit))
    } catch {
      throw .malformedJSON(path: path, error)
    }
  }

  /// A regular file's bytes, however large the file system says it is.
  private static func read(_ path: String, limit: Int) throws(TokenizerError) -> [UInt8] {
    func failure() -> TokenizerError { .unreadableFile(path: path, reason: String(cString: strerror(errno))) }
    // O_NONBLOCK: opening a pipe must not wait for its other end.
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw failure() }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw failure() }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .unreadableFile(path: path, reason: "it is not a regular file")
    }
    guard status.st_size <= limit else { throw .fileTooLarge(path: path, byteCount: Int(status.st_size), limit: limit) }
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    var count = 0
    while count < bytes.count {
      let got = bytes.withUnsafeMutableBytes { Foundation.read(file, $0.baseAddress! + count, $0.count - count) }
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw failure() }
      if got == 0 { break }
      count += got
    }
    bytes.removeLast(bytes.count - count)
    return bytes
  }
}
