import Foundation
import JSON
import TestSupport

/// A copy of a golden's checkpoint, to be damaged.
final class DamagedCheckpoint {
  let path: String

  convenience init(_ golden: String, in folder: TemporaryFolder) throws {
    try self.init(path: Golden.fixtures.appending(path: "goldens/\(golden)").path, in: folder)
  }

  /// The copy has a new name in `folder`, the number of what is there; nothing is to be removed from it.
  init(path source: String, in folder: TemporaryFolder) throws {
    path = folder.file("model-\(folder.names.count)")
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for name in try FileManager.default.contentsOfDirectory(atPath: source) where !name.hasPrefix("goldens") {
      try FileManager.default.copyItem(atPath: "\(source)/\(name)", toPath: "\(path)/\(name)")
    }
  }

  func url(_ name: String) -> URL { URL(filePath: "\(path)/\(name)") }
  func remove(_ name: String) throws { try FileManager.default.removeItem(at: url(name)) }
  func write(_ text: String, as name: String) throws { try Data(text.utf8).write(to: url(name)) }
  func bytes(_ name: String) throws -> Data { try Data(contentsOf: url(name)) }

  func edit(_ name: String, _ change: (inout Data) throws -> Void) throws {
    var data = try bytes(name)
    try change(&data)
    try data.write(to: url(name))
  }

  /// Changes members of a JSON file; nil takes a member away.
  func set(_ members: [String: JSONValue?], in name: String = "config.json") throws {
    var object = try JSONValue(parsing: bytes(name)).object!
    for (key, value) in members { object[key] = value }
    try write(JSONValue.object(object).text(), as: name)
  }

  /// The first weights file, in order of name.
  var firstShard: String {
    get throws {
      try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".safetensors") }.sorted()[0]
    }
  }

  /// Replaces the header of a weights file by what `change` makes of it, as text.
  func editHeader(_ name: String, _ change: (String) -> String) throws {
    try edit(name) { data in
      let count = data.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
      let header = Data(change(String(decoding: data[8..<(8 + count)], as: UTF8.self)).utf8)
      data = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header + data[(8 + count)...]
    }
  }

  /// Overwrites bytes of the first tensor whose name ends so, over and over from its start when `repeats` is set.
  func poke(_ suffix: String, _ bytes: [UInt8], at offset: Int = 0, repeats: Bool = false) throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: path) where name.hasSuffix(".safetensors") {
      let data = try self.bytes(name)
      let count = data.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
      let header = try JSONValue(parsing: data[8..<(8 + count)]).object!
      guard let entry = header.members.first(where: { $0.key.hasSuffix(suffix) })?.value else { continue }
      let range = ints(entry["data_offsets"]).map { $0 + 8 + count }
      try edit(name) { data in
        var at = range[0] + offset
        repeat {
          data.replaceSubrange(at..<(at + bytes.count), with: bytes)
          at += bytes.count
        } while repeats && at + bytes.count <= range[1]
      }
      return
    }
    throw CocoaError(.fileNoSuchFile)
  }

  static let nan = withUnsafeBytes(of: Float.nan.bitPattern.littleEndian) { Array($0) }
}
