private import Glibc

/// Small files in which the operating system tells of itself, such as those under `/proc`, and what a folder holds.
package enum SystemFiles {
  /// The file's bytes, no more than a chunk beyond `limit`; nil where it cannot be read.
  package static func bytes(_ path: String, limit: Int = .max) -> [UInt8]? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 14)
    while bytes.count < limit {
      let count = read(file, &chunk, chunk.count)
      guard count > 0 else { return count == 0 ? bytes : nil }
      bytes.append(contentsOf: chunk[..<count])
    }
    return bytes
  }

  /// The same as text.
  package static func text(_ path: String, limit: Int = .max) -> String? {
    bytes(path, limit: limit).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Names in a folder, but its own and its parent's; none where it cannot be read.
  package static func names(in folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  /// Those that are numbers: processes, or a process' threads.
  package static func numbers(in folder: String) -> [Int32] { names(in: folder).compactMap { Int32($0) } }

  /// Processes of this host that were started with this variable in their environment, and have not ended.
  package static func processes(with variable: String) -> [Int32] {
    // Those that have ended have no environment any more.
    let wanted = Array("\(variable)\0".utf8)
    return numbers(in: "/proc").filter { bytes("/proc/\($0)/environ")?.firstRange(of: wanted) != nil }
  }
}
