import Checkpoints
import Foundation
import JSON
import MoEModel
import TestSupport

/// A `config.json` to change and to read.
struct Configuration: Sendable {
  var json: JSONObject

  init(json: JSONObject) { self.json = json }

  init(_ text: String) throws { json = try JSONValue(parsing: text).object! }

  /// A golden model's, or a tiny one of another family's.
  init(golden name: String) throws {
    try self.init(String(contentsOfFile: Self.folder(name) + "/config.json", encoding: .utf8))
  }

  static func folder(_ name: String) -> String { FamilyFixtures.folder(name) }

  /// Families without a golden.
  static let families = FamilyFixtures.names
  static let all = goldens + families

  /// Those with gated DeltaNet.
  static let deltas = FamilyFixtures.deltas

  /// Those with compressed attention: as published, and as transformers saves them.
  static let compressed = FamilyFixtures.compressed

  static let goldens = FamilyFixtures.goldens

  /// The same with one setting, `key` or `outer.key`, spelt `value`; removed if that is nil.
  func with(_ key: String, _ value: String?) throws -> Configuration {
    var copy = self
    let value = try value.map { try JSONValue(parsing: $0) }
    let parts = key.split(separator: ".").map(String.init)
    if parts.count == 2 {
      var nested = copy.json[parts[0]]?.object ?? JSONObject()
      nested[parts[1]] = value
      copy.json[parts[0]] = .object(nested)
    } else {
      copy.json[key] = value
    }
    return copy
  }

  func read() throws -> DecoderDescription {
    try ModelConfiguration.read(try ConfigReader(.object(json), path: "config.json"))
  }

  /// What reading throws, as a user would see it; nil when it succeeds.
  func failure() -> String? {
    do {
      _ = try read()
      return nil
    } catch { return "\(error)" }
  }
}
