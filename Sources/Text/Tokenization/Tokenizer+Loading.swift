import Foundation
import JSON

extension Tokenizer {
  static let tokenizerByteLimit = 128 << 20
  static let configByteLimit = 16 << 20
  static let templateByteLimit = 4 << 20

  /// Gives the bytes of one of a model's documents, by the name of its file, or nil where the model has none; throws
  /// when it is longer than `limit` bytes or cannot be read.
  package typealias Documents = @Sendable (_ name: String, _ limit: Int) throws(TokenizerError) -> [UInt8]?

  /// Reads `tokenizer.json`, or else `tiktoken.model`, and, when they are there, `tokenizer_config.json`,
  /// `chat_template.jinja` and `additional_chat_templates/tool_use.jinja`. `path`: where the model lies, for messages.
  package convenience init(path: String, documents: Documents) throws(TokenizerError) {
    let path = path.hasSuffix("/") || path.isEmpty ? path : path + "/"
    func json(_ name: String, _ limit: Int) throws(TokenizerError) -> JSONValue? {
      guard let bytes = try documents(name, limit) else { return nil }
      return try Self.parse(bytes, path: path + name, limit: limit)
    }
    func text(_ name: String) throws(TokenizerError) -> String? {
      guard let bytes = try documents(name, Self.templateByteLimit) else { return nil }
      return try Self.text(bytes, path: path + name)
    }
    let tokenizer = try json("tokenizer.json", Self.tokenizerByteLimit)
    let config = try json("tokenizer_config.json", Self.configByteLimit)
    let template = try text("chat_template.jinja")
    let toolTemplate = try text("additional_chat_templates/tool_use.jinja")
    if let tokenizer {
      try self.init(json: tokenizer, config: config, chatTemplate: template, toolTemplate: toolTemplate)
    } else if let tiktoken = try documents(Self.tiktokenName, Self.tokenizerByteLimit) {
      try self.init(tiktoken: tiktoken, config: config, chatTemplate: template, toolTemplate: toolTemplate)
    } else {
      throw .unreadableFile(path: path + "tokenizer.json", reason: String(cString: strerror(ENOENT)))
    }
  }

  /// Reads the documents of a model that are files in `folder`.
  package convenience init(folder: String) throws(TokenizerError) {
    try self.init(path: folder, documents: Self.documents(in: folder))
  }

  /// Documents that are files in `folder`.
  package static func documents(in folder: String) -> Documents {
    let path = folder.hasSuffix("/") || folder.isEmpty ? folder : folder + "/"
    return { (name, limit) throws(TokenizerError) in
      access(path + name, F_OK) == 0 ? try read(path + name, limit: limit) : nil
    }
  }

  /// The text of a file with a chat template.
  package static func template(_ path: String) throws(TokenizerError) -> String {
    try text(try read(path, limit: templateByteLimit), path: path)
  }

  private static func text(_ bytes: [UInt8], path: String) throws(TokenizerError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .unreadableFile(path: path, reason: "it is not UTF-8")
    }
    return text
  }

  private static func parse(_ bytes: [UInt8], path: String, limit: Int) throws(TokenizerError) -> JSONValue {
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
      let got = bytes.withUnsafeMutableBytes {
        let rest = UnsafeMutableRawBufferPointer(rebasing: $0[count...])
        return Foundation.read(file, rest.baseAddress, rest.count)
      }
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw failure() }
      if got == 0 { break }
      count += got
    }
    bytes.removeLast(bytes.count - count)
    return bytes
  }
}
