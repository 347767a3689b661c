import Foundation
import JSON
import Tokenization

/// Files under Tests/Fixtures.
enum Fixtures {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures").path

  static func json(_ path: String) throws -> JSONValue {
    try JSONValue(parsing: Data(contentsOf: URL(filePath: "\(folder)/\(path)")))
  }

  static func lines(_ path: String) throws -> [JSONValue] {
    let text = try String(contentsOf: URL(filePath: "\(folder)/\(path)"), encoding: .utf8)
    return try text.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
  }

  /// Tests run in parallel and share the large tokenizers.
  static let deepseekV3 = Result<Tokenizer, any Error> { try Tokenizer(folder: "\(folder)/tokenizers/deepseek_v3") }
  static let deepseekV2 = Result<Tokenizer, any Error> { try Tokenizer(folder: "\(folder)/tokenizers/deepseek_v2") }
}

extension JSONValue {
  var ints: [Int]? { array?.compactMap(\.exactInt) }
  var strings: [String]? { array?.compactMap(\.string) }
}

/// Strings compared by their bytes: `==` takes "é" and "e\u{301}" for the same.
func sameBytes(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }
