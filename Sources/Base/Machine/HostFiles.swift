/// The kernel's description of a host in small text files, under `/` or under a copy of them.
struct HostFiles {
  /// Prefix of every path; empty for this host.
  let root: String

  /// No file read here is longer in earnest: `cpuinfo` is cut off after its first cores, which is enough.
  private static let byteLimit = 256 * 1024

  /// The file's text; nil when it cannot be read.
  func text(_ path: String) -> String? { SystemFiles.text(root + path, limit: Self.byteLimit) }

  func line(_ path: String) -> String? { text(path)?.split(whereSeparator: \.isNewline).first.map(String.init) }

  /// The numbers of a list such as `0-3,8,10-11`, ascending; nil for anything else.
  static func numbers(inList list: String) -> [Int]? {
    var numbers: Set<Int> = []
    for part in list.split(separator: ",") {
      let ends = part.trimmed.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first >= 0, first <= last,
        last < 1 << 20
      else { return nil }
      numbers.formUnion(first...last)
    }
    return numbers.sorted()
  }

  func list(_ path: String) -> [Int]? { line(path).flatMap { Self.numbers(inList: $0) } }

  /// The values in bytes of a table with lines such as `MemFree:  1234 kB`, or `Node 0 MemFree: 1234 kB`.
  func memoryTable(_ path: String) -> [String: Int] {
    var table: [String: Int] = [:]
    for line in text(path)?.split(whereSeparator: \.isNewline) ?? [] {
      let words = line.split(whereSeparator: \.isWhitespace)
      guard let colon = words.firstIndex(where: { $0.hasSuffix(":") }), colon + 1 < words.count,
        let kibibytes = Int(words[colon + 1]), kibibytes >= 0
      else { continue }
      let (bytes, overflow) = kibibytes.multipliedReportingOverflow(by: 1024)
      if !overflow { table[String(words[colon].dropLast())] = bytes }
    }
    return table
  }
}

extension Substring {
  /// Without whitespace at its ends.
  package var trimmed: Substring {
    var rest = self
    while rest.first?.isWhitespace == true { rest = rest.dropFirst() }
    while rest.last?.isWhitespace == true { rest = rest.dropLast() }
    return rest
  }
}
