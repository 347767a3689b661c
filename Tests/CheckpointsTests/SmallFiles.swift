import Checkpoints
import Glibc

/// Files under Tests/Fixtures, or elsewhere in the repository.
enum Repository {
  static let root = String(#filePath.dropLast("/Tests/CheckpointsTests/SmallFiles.swift".count))

  static func folders(in path: String) -> [String] {
    guard let directory = opendir(root + "/" + path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let item = readdir(directory) {
      let name = withUnsafeBytes(of: &item.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }
}

/// A safetensors file's bytes: the header's true length (or `declared`), the header, and 0, 1, 2 … as data.
func safetensors(_ header: [UInt8], dataByteCount: Int, declared: UInt64? = nil) -> [UInt8] {
  let length = declared ?? UInt64(header.count)
  return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + header
    + (0..<dataByteCount).map { UInt8(truncatingIfNeeded: $0) }
}

func safetensors(_ header: String, dataByteCount: Int, declared: UInt64? = nil) -> [UInt8] {
  safetensors(Array(header.utf8), dataByteCount: dataByteCount, declared: declared)
}

/// One-byte tensors under `names`, as a safetensors file.
func shard(_ names: [String]) -> [UInt8] {
  let entries = names.enumerated().map {
    "\"\($1)\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[\($0),\($0 + 1)]}"
  }
  return safetensors("{" + entries.joined(separator: ",") + "}", dataByteCount: names.count)
}

/// What a call threw; nil when it returned.
func failure<Result>(of body: () throws(CheckpointError) -> Result) -> CheckpointError? {
  do throws(CheckpointError) {
    _ = try body()
    return nil
  } catch { return error }
}
