import Checkpoints
import Glibc
import JSON
import TestSupport
import Testing

/// Valid tiny files, changed in every way we could think of. Whatever comes out either is refused with an error or
/// opens and keeps its promises; nothing traps, hangs or takes memory out of proportion.
struct MutationTests {
  let folder = TemporaryFolder()
  static let header =
    #"{"__metadata__":{"format":"pt"},"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"#
    + #""b\u00e9":{"dtype":"BF16","shape":[2],"data_offsets":[24,28]},"#
    + #""c":{"dtype":"I8","shape":[],"data_offsets":[28,29]}}  "#
  static let file = safetensors(header, dataByteCount: 29)
  static let integers = [
    "0", "-1", "2147483648", "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551615", "-0",
    "1e3",
  ]

  /// Opens mutated bytes; when they open, everything said of them must be true.
  func openOrRefuse(_ bytes: [UInt8], _ what: @autoclosure () -> String) {
    let path = folder.write(bytes, as: "m.safetensors")
    do throws(CheckpointError) {
      let file = try SafetensorsFile(path: path)
      var total = 0
      for entry in file.entries {
        let inside = entry.byteOffset >= 8 && entry.byteOffset + entry.byteCount <= bytes.count
        if !inside { Issue.record("\(what()): \(entry) lies outside") }
        if try file.readAll(entry) != Array(bytes[entry.byteOffset..<(entry.byteOffset + entry.byteCount)]) {
          Issue.record("\(what()): other bytes")
        }
        total += entry.byteCount
      }
      let headerByteCount = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
      if total + 8 + headerByteCount != bytes.count { Issue.record("\(what()): bytes unaccounted for") }
    } catch {
      if error.description.isEmpty || error.description.utf8.count > 2000 { Issue.record("\(what()): message") }
    }
  }

  /// The most memory this process has had resident since it started, or since `resetPeakMemory`; bytes.
  func peakMemory() -> Int {
    let file = fopen("/proc/self/status", "r")!
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, 256, file) != nil {
      let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split {
        $0.isWhitespace
      }
      if words.first == "VmHWM:", let kilobytes = Int(words[1]) { return kilobytes << 10 }
    }
    fatalError("no VmHWM in /proc/self/status")
  }

  func resetPeakMemory() {
    guard let file = fopen("/proc/self/clear_refs", "w") else { return }
    fputs("5", file)
    fclose(file)
  }

  @Test func theOriginalOpens() throws {
    #expect(try SafetensorsFile(path: folder.write(Self.file, as: "m.safetensors")).entries.count == 3)
  }

  @Test func everyTruncationIsRefused() throws {
    for count in 0..<Self.file.count {
      let path = folder.write(Array(Self.file[..<count]), as: "m.safetensors")
      #expect(throws: CheckpointError.self, "\(count) bytes") { try SafetensorsFile(path: path) }
    }
  }

  @Test func everyBitFlipIsRefusedOrHarmless() {
    for byte in 0..<(8 + Self.header.utf8.count) {
      for bit in 0..<8 {
        var bytes = Self.file
        bytes[byte] ^= 1 << bit
        openOrRefuse(bytes, "byte \(byte) bit \(bit)")
      }
    }
  }

  @Test func everyIntegerMayLie() {
    let text = Array(Self.header.utf8)
    var start = 0
    var replaced = 0
    while start < text.count {
      guard (48...57).contains(text[start]), text[start - 1] == 0x5B || text[start - 1] == 0x2C else {
        start += 1
        continue
      }
      let end = text[start...].firstIndex { !(48...57).contains($0) }!
      for integer in Self.integers {
        let header = Array(text[..<start]) + Array(integer.utf8) + Array(text[end...])
        openOrRefuse(safetensors(header, dataByteCount: 29), "\(integer) at \(start)")
        replaced += 1
      }
      start = end
    }
    #expect(replaced == Self.integers.count * 9)
  }

  @Test func everyHeaderLengthMayLie() {
    for declared in Array(0...UInt64(Self.file.count + 1)) + [1 << 31, 1 << 32, 1 << 63, .max, .max - 8] {
      openOrRefuse(safetensors(Self.header, dataByteCount: 29, declared: declared), "length \(declared)")
    }
  }

  @Test(arguments: 0..<4) func randomEditsAreRefusedOrHarmless(seed: UInt64) {
    var generator = SeededGenerator(seed)
    let pieces = [
      "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud800", "null", "0", "-", "1e9", " ", "\n", "\u{0}", "é",
      "\"a\":{", "9223372036854775807", "\"__metadata__\":", "\"dtype\":\"F32\"", "[0,0]",
    ].map { Array($0.utf8) }
    for round in 0..<600 {
      var header = Array(Self.header.utf8)
      for _ in 0...Int.random(in: 0..<4, using: &generator) {
        let at = Int.random(in: 0..<header.count, using: &generator)
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: header[at] = UInt8.random(in: 0...255, using: &generator)
        case 1: header.remove(at: at)
        case 2: header.insert(contentsOf: pieces.randomElement(using: &generator)!, at: at)
        case 3:
          let end = min(header.count, at + Int.random(in: 1..<40, using: &generator))
          header.insert(contentsOf: Array(header[at..<end]), at: Int.random(in: 0..<header.count, using: &generator))
        default: header.removeSubrange(at..<min(header.count, at + Int.random(in: 1..<20, using: &generator)))
        }
        if header.isEmpty { header = [0x7B] }
      }
      openOrRefuse(safetensors(header, dataByteCount: 29), "seed \(seed) round \(round)")
    }
  }

  @Test func everyChangeToAnIndexIsRefusedOrHarmless() throws {
    folder.write("{}", as: "config.json")
    folder.write(shard(["a", "b"]), as: "m-1.safetensors")
    folder.write(shard(["c"]), as: "m-2.safetensors")
    let index = Array(
      #"{"metadata":{"total_size":3},"weight_map":{"a":"m-1.safetensors","b":"m-1.safetensors","c":"m-2.safetensors"}}"#
        .utf8)
    func open(_ bytes: [UInt8]) throws(CheckpointError) -> HuggingFaceFolder {
      folder.write(bytes, as: "model.safetensors.index.json")
      return try HuggingFaceFolder(path: folder.path)
    }
    #expect(try open(index).entries.count == 3)
    for count in 0..<index.count {
      #expect(throws: CheckpointError.self, "\(count)") { try open(Array(index[..<count])) }
    }
    for byte in index.indices {
      for bit in 0..<8 {
        var bytes = index
        bytes[byte] ^= 1 << bit
        do throws(CheckpointError) {
          // Shards that are not named are not opened; of those that are, all tensors are known.
          let names = Array(try open(bytes).names)
          #expect([["a", "b", "c"], ["a", "b"], ["c"]].contains(names), "byte \(byte) bit \(bit): \(names)")
        } catch {}
      }
    }
  }

  /// In a process of its own, because peak memory is counted by the process.
  @Test func hostileFilesCostLittleMoreThanTheirSize() async {
    await #expect(processExitsWith: .success) {
      let tests = MutationTests()
      let size = 1 << 20
      func repeated(_ text: String) -> [UInt8] {
        let piece = Array(text.utf8)
        return (0..<size).map { piece[$0 % piece.count] }
      }
      let hostile = [
        repeated("["), Array("{\"a\":".utf8) + repeated("["), Array("{\"a\":{\"shape\":[".utf8) + repeated("0,"),
        Array("{\"a\":[".utf8) + repeated("0,"), Array("{\"__metadata__\":[".utf8) + repeated("{},"),
        Array("{\"".utf8) + repeated("\\n"), Array("{\"a\":".utf8) + repeated("{\"\":"),
      ].map { safetensors($0, dataByteCount: 0) }
      tests.resetPeakMemory()
      let before = tests.peakMemory()
      for bytes in hostile { tests.openOrRefuse(bytes, "\(bytes.count) bytes") }
      // A file that claims much and, being sparse, even has it.
      let path = tests.folder.write(safetensors("{}", dataByteCount: 0, declared: 1 << 40), as: "sparse.safetensors")
      precondition(truncate(path, 1 << 41) == 0)
      guard case .headerTooLong = failure(of: { () throws(CheckpointError) in try SafetensorsFile(path: path) }) else {
        fatalError("a header of 2^40 bytes was not refused")
      }
      let cost = tests.peakMemory() - before
      // Building a document of these values would cost more than 16 times their text.
      if cost > 8 * size { exit(1) }
    }
  }
}
