import Glibc

/// The most memory that this process held at any time, as the kernel tells it (`VmHWM`).
package enum PeakMemory {
  /// Bytes; nil where the kernel does not tell.
  package static var byteCount: Int? {
    guard let file = fopen("/proc/self/status", "re") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        .split(whereSeparator: \.isWhitespace)
      if words.first == "VmHWM:", words.count > 1, let kibibytes = Int(words[1]), kibibytes < 1 << 50 {
        return kibibytes << 10
      }
    }
    return nil
  }

  /// Forgets what came before: from here on the peak is that of what follows. Where the kernel does not let us, it
  /// stays.
  package static func reset() {
    guard let file = fopen("/proc/self/clear_refs", "we") else { return }
    fputs("5", file)
    fclose(file)
  }
}
