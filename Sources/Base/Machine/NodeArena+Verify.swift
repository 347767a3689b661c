private import CNUMA
private import Glibc

/// Where sampled pages of an arena really are.
package struct PlacementCheck: Sendable, Equatable, CustomStringConvertible {
  package let node: Int
  package let onNode: Int
  package let elsewhere: Int
  /// Pages not touched yet, or of which the kernel does not tell.
  package let unknown: Int
  /// Memory of the arena in huge pages; nil where the kernel does not tell, or was not asked.
  package let hugePageBytes: Int?
  /// Why nothing could be verified; nil when it could.
  package let notVerified: String?

  package var description: String {
    if let notVerified { return "not verified: \(notVerified)" }
    let sampled = onNode + elsewhere
    guard sampled > 0 else { return "not verified: no sampled page has been touched" }
    let huge = hugePageBytes.map { ", \($0 >> 20) MiB in huge pages" } ?? ""
    return "\(onNode) of \(sampled) sampled pages on NUMA node \(node)\(huge)"
  }
}

extension NodeArena {
  /// Asks the kernel for the node of up to `sampleCount` pages, spread evenly over the slices handed out, or over all
  /// of it. To count huge pages takes some tenths of a second, for the kernel looks at all memory of the process.
  package func verify(sampleCount: Int = 1024, all: Bool = false, countsHugePages: Bool = true) -> PlacementCheck {
    let pageByteCount = max(4096, Int(sysconf(Int32(_SC_PAGESIZE))))
    let pageCount = ((all ? byteCount : usedByteCount) + pageByteCount - 1) / pageByteCount
    let count = min(max(1, min(sampleCount, 1 << 16)), pageCount)
    guard count > 0 else { return unverified("nothing allocated yet") }
    var pages: [UnsafeMutableRawPointer?] = (0..<count).map { sample in
      base + sample * pageCount / count * pageByteCount
    }
    var found = [Int32](repeating: -1, count: count)
    // Without target nodes nothing moves: the kernel only reports.
    guard move_pages(0, UInt(count), &pages, nil, &found, 0) == 0 else {
      return unverified("move_pages: " + String(cString: strerror(errno)))
    }
    return PlacementCheck(
      node: node, onNode: found.count { $0 == node }, elsewhere: found.count { $0 >= 0 && $0 != node },
      unknown: found.count { $0 < 0 }, hugePageBytes: countsHugePages ? hugePageBytes() : nil, notVerified: nil)
  }

  private func unverified(_ reason: String) -> PlacementCheck {
    PlacementCheck(node: node, onNode: 0, elsewhere: 0, unknown: 0, hugePageBytes: nil, notVerified: reason)
  }

  /// The sum of huge pages, of its own and shared ones, over the kernel's entries for the arena's addresses.
  private func hugePageBytes() -> Int? {
    guard let file = fopen("/proc/self/smaps", "re") else { return nil }
    defer { fclose(file) }
    let range = UInt(bitPattern: base)..<UInt(bitPattern: base) + UInt(max(1, byteCount))
    var line = [CChar](repeating: 0, count: 512)
    var isOurs = false
    var bytes = 0
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      let words = text.split(whereSeparator: \.isWhitespace)
      guard let first = words.first else { continue }
      let ends = first.split(separator: "-").map { UInt($0, radix: 16) }
      if ends.count == 2, let start = ends[0], let end = ends[1] {
        isOurs = start < range.upperBound && end > range.lowerBound
      } else if isOurs, first == "AnonHugePages:" || first == "ShmemPmdMapped:", words.count > 1,
        let kibibytes = Int(words[1])
      {
        bytes += kibibytes * 1024
      }
    }
    return bytes
  }
}
